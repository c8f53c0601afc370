import { readFileSync } from 'node:fs';

/** What the server's certificate is held against; without either, the authorities that the system trusts. */
export interface ServerTrust {
  /** Certificates (PEM) of authorities that count beside those of the system. */
  readonly ca: string | null;
  /**
   * SHA-256 of the server's own certificate, 64 lower-case hex digits: it must be one of these, when there are any. Without {@link ca}
   * that is all that is asked of it: the pin says more than an authority or a name.
   */
  readonly fingerprints: readonly string[];
}

/** The part of the settings that says whom to trust. */
interface TrustSettings {
  readonly caFile: string | null;
  /** null: not set. */
  readonly fingerprints: readonly string[] | null;
}

/**
 * What SERVER_CA_FILE and SERVER_CERT_FINGERPRINT say; without the latter, the fingerprints of the identity. Throws when the file
 * cannot be read.
 */
export function loadServerTrust(
  settings: TrustSettings,
  identity: { readonly fingerprints: readonly string[] } | null,
): ServerTrust {
  return { ca: loadCa(settings.caFile), fingerprints: settings.fingerprints ?? identity?.fingerprints ?? [] };
}

function loadCa(caFile: string | null): string | null {
  if (caFile === null) return null;
  try {
    return readFileSync(caFile, 'utf8');
  } catch (error) {
    throw new Error('SERVER_CA_FILE names a file that cannot be read', { cause: error });
  }
}
