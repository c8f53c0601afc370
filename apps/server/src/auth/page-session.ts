/** A browser that a user is signed in with, as he may see it. */
export interface PageSessionDetail {
  readonly signedInMs: number;
  readonly seenMs: number;
  readonly address: string | null;
  readonly browser: string | null;
}
