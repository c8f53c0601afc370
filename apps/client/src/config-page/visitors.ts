import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

export const COOKIE = 'holdfast_page';
/** Browsers that are remembered as let in; the oldest goes first. */
const MAX_LET_IN = 100;

/** Browsers of the page: a random cookie each, a token for forms that belongs to it, and which of them gave the setup code. */
export class Visitors {
  private readonly key = randomBytes(32);
  private readonly letIn = new Set<string>();

  /** The visitor of a Cookie header; null: a new one. */
  visitorOf(cookieHeader: string | undefined): string | null {
    const found = /(?:^|;\s*)holdfast_page=([0-9a-f]{64})(?:;|$)/.exec(cookieHeader ?? '');
    return found?.[1] ?? null;
  }

  newVisitor(): string {
    return randomBytes(32).toString('hex');
  }

  formToken(visitor: string): string {
    return createHmac('sha256', this.key).update(visitor).digest('hex');
  }

  isFormToken(visitor: string, token: string): boolean {
    const right = Buffer.from(this.formToken(visitor));
    const given = Buffer.from(token);
    return given.length === right.length && timingSafeEqual(given, right);
  }

  isLetIn(visitor: string): boolean {
    return this.letIn.has(visitor);
  }

  letInVisitor(visitor: string): void {
    this.letIn.add(visitor);
    for (const oldest of this.letIn) {
      if (this.letIn.size <= MAX_LET_IN) return;
      this.letIn.delete(oldest);
    }
  }
}
