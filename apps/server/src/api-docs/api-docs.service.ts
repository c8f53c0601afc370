import { Injectable } from '@nestjs/common';
import { DiscoveryService, MetadataScanner, Reflector } from '@nestjs/core';
import { SERVER_VERSION } from '../config/version';
import { readApiTypes } from './api-types';
import { docsPage } from './docs-page';
import { type OpenApi, openApi } from './open-api';
import { listRoutes } from './route-list';

/** The document and the page, made at their first use: routes do not change while the server runs. */
@Injectable()
export class ApiDocs {
  private kept: { readonly document: OpenApi; readonly page: string } | null = null;

  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
    private readonly reflector: Reflector,
  ) {}

  get document(): OpenApi {
    return this.made().document;
  }

  get page(): string {
    return this.made().page;
  }

  private made(): { document: OpenApi; page: string } {
    if (this.kept !== null) return this.kept;
    const routes = listRoutes(this.discovery, this.scanner, this.reflector);
    const document = openApi(routes, readApiTypes(), SERVER_VERSION);
    this.kept = { document, page: docsPage(document) };
    return this.kept;
  }
}
