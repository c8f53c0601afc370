import { S3Client } from '@aws-sdk/client-s3';
import type { S3Settings } from '../../config/s3-settings';

const CONNECT_MS = 10_000;
const MAX_CONNECTIONS = 64;

const SILENT = { debug: ignore, info: ignore, warn: ignore, error: ignore };

/**
 * The SDK's client, without its own retries: `retrying.ts` makes them, for a body must be opened again each time. Checksums
 * beyond Content-MD5 are sent only where S3 asks for them: servers other than AWS refuse or corrupt the chunked form.
 */
export function makeS3Client(settings: S3Settings, silenceMs: number): S3Client {
  const { endpoint, region, credentials, forcePathStyle } = settings;
  return new S3Client({
    region,
    forcePathStyle,
    ...(endpoint === null ? {} : { endpoint }),
    ...(credentials === null ? {} : { credentials }),
    maxAttempts: 1,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // What fails is told by whoever asked: the SDK's own lines on the console would come without a name or a place.
    logger: SILENT,
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      socketTimeout: silenceMs,
      httpAgent: { keepAlive: true, maxSockets: MAX_CONNECTIONS },
      httpsAgent: { keepAlive: true, maxSockets: MAX_CONNECTIONS },
    },
  });
}

function ignore(): void {
  // Nothing is logged.
}
