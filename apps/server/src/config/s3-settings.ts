import type { ServerSetting } from '#common';

/** Where an S3 bucket is and how it is used; null in ServerSettings means local disk. */
export interface S3Settings {
  readonly bucket: string;
  /** Null: AWS's own address for the region. */
  readonly endpoint: string | null;
  readonly region: string;
  /** Null: the SDK's own chain (environment of the container, instance role). */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } | null;
  /** Before every key: empty, or ends with a slash. */
  readonly prefix: string;
  /** Null: the bucket's default. */
  readonly storageClass: string | null;
  readonly forcePathStyle: boolean;
  /** Make the bucket when it is missing. */
  readonly createBucket: boolean;
}

/** Classes that can be read at once. Objects of the others must be restored before a backup could be read. */
const STORAGE_CLASSES = [
  'STANDARD',
  'REDUCED_REDUNDANCY',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'GLACIER_IR',
  'EXPRESS_ONEZONE',
];

/**
 * Reads the S3_ and AWS_ variables. `value` gives a variable's text, or null when it is not set; `report` takes what is wrong,
 * by name and never by value. Null without S3_BUCKET, or when something was wrong. Who sets what counts with a bucket only means one:
 * without its name his backups would go to the local disk, and nothing would say so. (Keys and region may be the machine's own.)
 */
export function readS3Settings(
  value: (name: ServerSetting) => string | null,
  report: (problem: string) => void,
): S3Settings | null {
  const bucket = value('S3_BUCKET');
  const problems: string[] = [];
  const refuse = (problem: string): void => {
    problems.push(problem);
    report(problem);
  };
  const flag = (name: ServerSetting, standard: boolean): boolean => {
    const text = value(name);
    if (text === null) return standard;
    if (text !== 'true' && text !== 'false') refuse(`${name}: must be 'true' or 'false'`);
    return text === 'true';
  };

  if (bucket !== null && !/^[a-zA-Z0-9][a-zA-Z0-9._-]{1,254}$/.test(bucket))
    refuse('S3_BUCKET: is no name of a bucket');
  const endpoint = value('S3_ENDPOINT');
  if (endpoint !== null && !isHttpUrl(endpoint)) {
    refuse('S3_ENDPOINT: must be an address such as https://s3.example.org:9000, without a path');
  }
  const prefix = (value('S3_PREFIX') ?? '').replace(/\/+$/, '');
  if (prefix !== '' && !/^[A-Za-z0-9!_.*'()-]+(\/[A-Za-z0-9!_.*'()-]+)*$/.test(prefix)) {
    refuse('S3_PREFIX: must be names joined by single slashes, without one at the start');
  }
  const storageClass = value('S3_STORAGE_CLASS');
  if (storageClass !== null && !STORAGE_CLASSES.includes(storageClass)) {
    refuse(`S3_STORAGE_CLASS: must be a class that can be read at once: ${STORAGE_CLASSES.join(', ')}`);
  }
  const accessKeyId = value('AWS_ACCESS_KEY_ID');
  const secretAccessKey = value('AWS_SECRET_ACCESS_KEY');
  if ((accessKeyId === null) !== (secretAccessKey === null)) {
    refuse('AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: set both, or neither');
  }
  const settings: Omit<S3Settings, 'bucket'> = {
    endpoint,
    region: value('AWS_REGION') ?? 'us-east-1',
    credentials: accessKeyId !== null && secretAccessKey !== null ? { accessKeyId, secretAccessKey } : null,
    prefix: prefix === '' ? '' : `${prefix}/`,
    storageClass,
    forcePathStyle: flag('S3_FORCE_PATH_STYLE', endpoint !== null),
    createBucket: flag('S3_CREATE_BUCKET', false),
  };
  const meansBucket =
    [endpoint, value('S3_PREFIX'), storageClass].some((text) => text !== null) || settings.createBucket;
  if (bucket === null && meansBucket) refuse('S3_BUCKET: is missing');
  return bucket === null || problems.length > 0 ? null : { bucket, ...settings };
}

function isHttpUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, pathname, search } = new URL(text);
  return /^https?:$/.test(protocol) && pathname === '/' && search === '';
}
