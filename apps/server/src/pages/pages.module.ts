import { Module } from '@nestjs/common';
import { AssetsController } from './assets.controller';

/** What pages load beside themselves. */
@Module({ controllers: [AssetsController] })
export class PagesModule {}
