const BROWSERS: readonly (readonly [RegExp, string])[] = [
  [/\bEdg(e|A|iOS)?\//, 'Edge'],
  [/\bOPR\//, 'Opera'],
  [/\bFirefox\//, 'Firefox'],
  [/\b(Headless)?Chrom(e|ium)\//, 'Chrome'],
  [/\bSafari\//, 'Safari'],
];
const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/\bAndroid\b/, 'Android'],
  [/\b(iPhone|iPad)\b/, 'iOS'],
  [/\bWindows\b/, 'Windows'],
  [/\bMac OS X\b/, 'macOS'],
  [/\bLinux\b/, 'Linux'],
];

/** Pure: `Firefox on Linux`, as far as a browser's own words tell. */
export function browserName(words: string | null): string {
  if (words === null || words === '') return 'Unknown browser';
  const name = BROWSERS.find(([pattern]) => pattern.test(words))?.[1] ?? 'Other browser';
  const system = SYSTEMS.find(([pattern]) => pattern.test(words))?.[1];
  return system === undefined ? name : `${name} on ${system}`;
}
