import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { WrongFileError } from '../config/start-error';

/** Where the operator keeps certificate and key: TLS_CERT_FILE and TLS_KEY_FILE. */
export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** A certificate with its key, found to be usable. */
export interface CertificatePair {
  /** PEM: the server's own certificate first, then those between it and its authority. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
  /** SHA-256 of the server's own certificate: 64 hex digits. */
  readonly fingerprint: string;
  /** No authority stands behind it: whoever is to believe it has to know it. */
  readonly isSelfSigned: boolean;
  readonly validToMs: number;
}

/**
 * Reads both files. Throws {@link WrongFileError} naming the setting whose file cannot be read, holds no certificate or key, or does not
 * belong to the other; never with anything of the key.
 */
export function readCertificatePair({ certFile, keyFile }: CertificateFiles): CertificatePair {
  const cert = read('TLS_CERT_FILE', certFile);
  const key = read('TLS_KEY_FILE', keyFile);
  const own = certificateOf(cert, certFile);
  const secret = keyOf(key, keyFile);
  if (!own.checkPrivateKey(secret)) {
    throw new WrongFileError(`TLS_KEY_FILE: ${keyFile} is not the key of the certificate in ${certFile}.`);
  }
  try {
    // What a handshake would trip over, such as a key that is too short, or a broken certificate further down.
    createSecureContext({ cert, key });
  } catch (error) {
    throw new WrongFileError(`TLS_CERT_FILE: ${certFile} cannot be served: ${codeOf(error)}.`, { cause: error });
  }
  const isSelfSigned = own.checkIssued(own) && own.verify(own.publicKey);
  return { cert, key, fingerprint: fingerprintOf(own), isSelfSigned, validToMs: own.validToDate.getTime() };
}

/** The 64 hex digits that an agent's SERVER_CERT_FINGERPRINT names. */
function fingerprintOf(certificate: X509Certificate): string {
  return certificate.fingerprint256.replaceAll(':', '').toLowerCase();
}

function read(setting: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new WrongFileError(`${setting}: ${file} cannot be read (${codeOf(error)}).`, { cause: error });
  }
}

function certificateOf(pem: string, file: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw new WrongFileError(`TLS_CERT_FILE: ${file} holds no certificate (PEM).`, { cause: error });
  }
}

function keyOf(pem: string, file: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    // Without the cause: it may quote what the file holds.
    throw new WrongFileError(`TLS_KEY_FILE: ${file} holds no private key (PEM, without a passphrase).`);
  }
}

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : String(error);
}
