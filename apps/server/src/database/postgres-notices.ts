import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { NoticeListeners, type NoticeListener, type NoticeTopic } from './notices';
import { KEEP_ALIVE } from './postgres-limits';
import { postgresUrl } from './postgres-url';

/** One channel for all topics: LISTEN once, whatever is added later. */
const CHANNEL = 'holdfast';
const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 2_000;
const CONNECT_TIMEOUT_MS = 10_000;

/** The statement that tells a notice when its transaction commits; its parameter is {@link noticePayload}. */
export const TELL_NOTICE = `select pg_notify('${CHANNEL}', ?)`;

export function noticePayload(topic: NoticeTopic, message: string): string {
  return `${topic} ${message}`;
}

/**
 * Hears notices of all servers on this PostgreSQL, on a connection of its own: a pooled one would be given to somebody
 * else. Connects at the first listener, and again whenever the connection is lost.
 */
export class PostgresNotices {
  private readonly listeners = new NoticeListeners();
  private client: Client | null = null;
  private hearing: Promise<void> | null = null;
  private readonly stopping = new AbortController();

  constructor(private readonly url: string) {}

  listen(topic: NoticeTopic, listener: NoticeListener): () => void {
    this.hearing ??= this.hear();
    return this.listeners.add(topic, listener);
  }

  async close(): Promise<void> {
    this.stopping.abort();
    await this.client?.end().catch(() => undefined);
    await this.hearing;
  }

  private async hear(): Promise<void> {
    const { signal } = this.stopping;
    for (let retryMs = FIRST_RETRY_MS; !signal.aborted;) {
      const hasHeard = await this.hearUntilLost();
      if (hasHeard) retryMs = FIRST_RETRY_MS;
      // Random, or all servers came back at the same moment.
      await delay(retryMs * (0.5 + Math.random()), undefined, { signal }).catch(() => undefined);
      retryMs = Math.min(MAX_RETRY_MS, retryMs * 2);
    }
  }

  /** False when no connection could be made. */
  private async hearUntilLost(): Promise<boolean> {
    const client = new Client({
      connectionString: postgresUrl(this.url),
      application_name: 'holdfast notices',
      ...KEEP_ALIVE,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    });
    const lost = new Promise<void>((resolve) => {
      client.once('end', resolve);
      client.once('error', () => {
        resolve();
      });
    });
    // A second error of a broken connection must not end the process.
    client.on('error', () => undefined);
    client.on('notification', ({ payload }) => {
      const [topic, ...message] = (payload ?? '').split(' ');
      this.listeners.tell(topic as NoticeTopic, message.join(' '));
    });
    this.client = client;
    let isHearing = false;
    try {
      await connectUnlessLost(client, lost);
      await client.query(`listen ${CHANNEL}`);
      isHearing = true;
      // Whatever was told before this moment was not heard.
      this.listeners.tellGap();
      await lost;
    } catch {
      // Out of reach: asked again after a while; whoever waits looks for himself meanwhile.
    }
    await client.end().catch(() => undefined);
    return isHearing;
  }
}

/** A client that is ended while it connects never settles its `connect()` (pg 8.23): a stopping server would wait for ever. */
async function connectUnlessLost(client: Client, lost: Promise<void>): Promise<void> {
  const gone = lost.then(() => {
    throw new Error('the connection was lost before it was made');
  });
  await Promise.race([client.connect(), gone]);
}
