import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

/** A certificate made for a test; `authority` signs it, or it signs itself. PEM. */
export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
  /** SHA-256 of the certificate, 64 hex digits. */
  readonly fingerprint: string;
  readonly name: string;
  readonly privateKey: KeyObject;
}

export interface CertificateWishes {
  /** Common name and, unless it is an authority, DNS name; 127.0.0.1 it is for always. */
  readonly name?: string;
  readonly isAuthority?: boolean;
  readonly authority?: TestCertificate;
  readonly validDays?: number;
}

const ECDSA_SHA256 = '06082a8648ce3d040302';

/** X.509 v3 with a P-256 key, written by hand: no program and no package is needed for it. */
export function makeCertificate(wishes: CertificateWishes = {}): TestCertificate {
  const { name = 'localhost', isAuthority = false, authority, validDays = 30 } = wishes;
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const now = Date.now();
  const algorithm = sequence(Buffer.from(ECDSA_SHA256, 'hex'));
  const body = sequence(
    tagged(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    algorithm,
    named(authority?.name ?? name),
    sequence(time(now - 86_400_000), time(now + validDays * 86_400_000)),
    named(name),
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(0xa3, sequence(...extensions(name, isAuthority))),
  );
  const signature = sign('sha256', body, authority?.privateKey ?? privateKey);
  const whole = sequence(body, algorithm, der(0x03, Buffer.concat([Buffer.from([0]), signature])));
  const lines = whole.toString('base64').replace(/.{1,64}/g, '$&\n');
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines}-----END CERTIFICATE-----\n`,
    key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
    fingerprint: createHash('sha256').update(whole).digest('hex'),
    name,
    privateKey,
  };
}

function extensions(name: string, isAuthority: boolean): Buffer[] {
  const isCa = isAuthority ? sequence(der(0x01, Buffer.from([0xff]))) : sequence();
  const constraints = sequence(oid('551d13'), der(0x01, Buffer.from([0xff])), der(0x04, isCa));
  if (isAuthority) return [constraints];
  const names = sequence(der(0x82, Buffer.from(name)), der(0x87, Buffer.from([127, 0, 0, 1])));
  return [constraints, sequence(oid('551d11'), der(0x04, names))];
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

const tagged = der;
const sequence = (...parts: Buffer[]): Buffer => der(0x30, Buffer.concat(parts));
const oid = (hex: string): Buffer => der(0x06, Buffer.from(hex, 'hex'));
const named = (name: string): Buffer =>
  sequence(der(0x31, sequence(oid('550403'), der(0x0c, Buffer.from(name, 'utf8')))));

function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, '');
  return der(0x18, Buffer.from(digits));
}
