import { Controller, Get, Res } from '@nestjs/common';
import type { Response } from 'express';
import { API } from '#common';
import { Public } from '../auth/access';
import { ApiDocs } from './api-docs.service';
import { DOCS_CSP } from './docs-page';

@Controller()
export class ApiDocsController {
  constructor(private readonly docs: ApiDocs) {}

  /** This document: OpenAPI 3.1. */
  @Public()
  @Get(API.openApi)
  openApi(): object {
    return this.docs.document;
  }

  /** The same for people, as a page without scripts. */
  @Public()
  @Get(API.docs)
  page(@Res() response: Response): void {
    response.setHeader('content-security-policy', DOCS_CSP);
    response.type('text/html').send(this.docs.page);
  }
}
