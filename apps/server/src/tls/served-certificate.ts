import type { LoggerService, OnModuleDestroy } from '@nestjs/common';
import { Server as TlsServer } from 'node:tls';
import type { ServerSettings } from '../config/server-settings';
import { type CertificateFiles, type CertificatePair, readCertificatePair } from './certificate-pair';

const LOOK_EVERY_MS = 10_000;
const DAY_MS = 86_400_000;
/** So many days before its end it is spoken of. */
export const CERTIFICATE_WARN_DAYS = 14;

type CertificateLog = Pick<LoggerService, 'log' | 'warn' | 'error'>;

/**
 * The certificate that this server shows, when it does TLS itself: read at the start, and anew when its files change. What cannot be
 * served is told in the log and changes nothing.
 */
export class ServedCertificate implements OnModuleDestroy {
  private timer: NodeJS.Timeout | undefined;
  private server: TlsServer | undefined;
  private doubt: string | undefined;

  private constructor(
    private readonly files: CertificateFiles | null,
    private pair: CertificatePair | null,
    private readonly log: CertificateLog,
  ) {}

  /** Throws StartError when the files that the settings name are no good. */
  static open({ tls }: ServerSettings, log: CertificateLog): ServedCertificate {
    const served = new ServedCertificate(tls, tls === null ? null : readCertificatePair(tls), log);
    served.warnOfItsEnd();
    return served;
  }

  /** SHA-256 of the certificate, 64 hex digits, for SERVER_CERT_FINGERPRINT of agents; null: TLS is not done here. */
  get fingerprint(): string | null {
    return this.pair?.fingerprint ?? null;
  }

  /** Whether it signed itself: one of an authority is replaced every few weeks or months. */
  get isSelfSigned(): boolean {
    return this.pair?.isSelfSigned ?? false;
  }

  /** When it ends; null: TLS is not done here. */
  get validToMs(): number | null {
    return this.pair?.validToMs ?? null;
  }

  /** Certificate and key for a server to be made; null: plain http. */
  get secureContext(): { readonly cert: string; readonly key: string } | null {
    return this.pair === null ? null : { cert: this.pair.cert, key: this.pair.key };
  }

  /**
   * Looks after the files from now on, for this server: every ten seconds, and at once upon SIGHUP. Connections that stand go on with
   * the certificate that they began with.
   */
  keepFresh(server: object): void {
    if (this.files === null || !(server instanceof TlsServer)) return;
    this.server = server;
    this.timer = setInterval(this.look, LOOK_EVERY_MS).unref();
    process.on('SIGHUP', this.look);
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
    process.removeListener('SIGHUP', this.look);
  }

  /** Serves what the files hold by now. */
  readonly look = (): void => {
    if (this.files === null) return;
    try {
      const next = readCertificatePair(this.files);
      this.doubt = undefined;
      if (next.cert === this.pair?.cert && next.key === this.pair.key) return;
      this.pair = next;
      this.server?.setSecureContext({ cert: next.cert, key: next.key });
      this.log.log(`the certificate was read anew: ${next.fingerprint}`, ServedCertificate.name);
      this.warnOfItsEnd();
    } catch (error) {
      this.tell(error instanceof Error ? error.message : String(error));
    }
  };

  /** Once, and only what is still so at the next look: two files are not replaced in the same moment. */
  private tell(problem: string): void {
    const isSecondTime = this.doubt === problem;
    if (isSecondTime) this.log.error(`${problem} The certificate from before is served on.`, ServedCertificate.name);
    this.doubt = isSecondTime ? `told: ${problem}` : this.doubt === `told: ${problem}` ? this.doubt : problem;
  }

  private warnOfItsEnd(): void {
    if (this.pair === null) return;
    const days = (this.pair.validToMs - Date.now()) / DAY_MS;
    if (days >= CERTIFICATE_WARN_DAYS) return;
    const end = new Date(this.pair.validToMs).toISOString();
    const words = days < 0 ? 'ended' : 'ends';
    this.log.warn(`the certificate ${words} at ${end}: agents refuse it from then on`, ServedCertificate.name);
  }
}
