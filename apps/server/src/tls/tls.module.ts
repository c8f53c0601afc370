import { type DynamicModule, Global, Logger, Module } from '@nestjs/common';
import type { ConfigParts } from '../config/config.module';
import { ServedCertificate } from './served-certificate';

/** The certificate that is served, for whoever has to name it. */
@Global()
@Module({})
export class TlsModule {
  static with({ settings, certificate }: ConfigParts): DynamicModule {
    const useValue = certificate ?? ServedCertificate.open(settings, new Logger());
    return {
      module: TlsModule,
      providers: [{ provide: ServedCertificate, useValue }],
      exports: [ServedCertificate],
    };
  }
}
