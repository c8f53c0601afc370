/** Shapes of secrets that may stand in the words of an error: whoever wrote those did not know who reads them. */
const SHAPES: readonly (readonly [RegExp, string])[] = [
  [/\b(Bearer|Basic)\s+[A-Za-z0-9+/=._~-]+/gi, '$1 [secret]'],
  // JWTs
  [/\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*/g, '[secret]'],
  // API tokens
  [/\bholdfast_[A-Za-z0-9_-]{16,}/g, '[secret]'],
  // user:password@ of an address
  [/(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/@]+@/gi, '$1[secret]@'],
  [/\b(X-Amz-Signature|X-Amz-Security-Token|X-Amz-Credential)=[^&\s"']+/gi, '$1=[secret]'],
];

/** A shorter one would take words apart that only look alike. */
const MIN_SECRET_CHARACTERS = 6;

/** Returns what makes texts fit for a log: the given secrets, and what looks like one, are left out. */
export function withoutSecrets(secrets: readonly (string | null)[]): (text: string) => string {
  const known = secrets.filter((secret) => secret !== null && secret.length >= MIN_SECRET_CHARACTERS) as string[];
  return (text) => {
    let clean = text;
    for (const secret of known) clean = clean.replaceAll(secret, '[secret]');
    for (const [shape, instead] of SHAPES) clean = clean.replace(shape, instead);
    return clean;
  };
}
