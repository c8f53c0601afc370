import { Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { ApiDocs } from './api-docs.service';
import { ApiDocsController } from './api-docs.controller';

/** What the API is, told by the server itself. */
@Module({ imports: [DiscoveryModule], controllers: [ApiDocsController], providers: [ApiDocs] })
export class ApiDocsModule {}
