import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Module, type ModuleMetadata, type NestApplicationOptions } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { PROTOCOL_HEADER, PROTOCOL_VERSION, type Problem } from '#common';
import { ConfigModule, type ConfigParts } from '../config/config.module';
import { ServerSettings } from '../config/server-settings';
import { Terminal } from '../config/terminal';
import { TestClock, TestUptime } from '../database/testing';
import { Metrics } from '../metrics/metrics';
import { configureHttp } from './configure-http';

/** Keeps what would be printed. */
class TestTerminal extends Terminal {
  readonly lines: string[] = [];

  constructor(readonly isInteractive: boolean) {
    super();
  }

  print(line: string): void {
    this.lines.push(line);
  }
}

export interface TestServer {
  readonly app: NestExpressApplication;
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  readonly settings: ServerSettings;
  readonly clock: TestClock;
  readonly terminal: TestTerminal;
}

/** What counts refused connections; the whole server has it from its storage. */
@Module({ providers: [Metrics] })
class CountingModule {}

type Imports = NonNullable<ModuleMetadata['imports']>;

export interface TestServerOptions {
  /** Modules of the server beside its configuration, or all of it. */
  readonly imports: Imports | ((parts: ConfigParts) => Imports);
  readonly settings?: Partial<ServerSettings>;
  readonly isInteractive?: boolean;
}

// eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- Nest's options are an interface over a class that nobody instantiates
const OPTIONS: NestApplicationOptions = { bodyParser: false, abortOnError: false, logger: false };

/** Servers made by a spec, on free ports and in folders of their own; `stopAll` belongs into `afterEach`. */
export class TestServers {
  private readonly cleanups: (() => Promise<void>)[] = [];

  async start(options: TestServerOptions): Promise<TestServer> {
    const folder = this.folder();
    const settings = Object.assign(new ServerSettings(), {
      port: 0,
      storagePath: folder,
      databasePath: join(folder, 'test.sqlite'),
      adminUsername: 'root',
      adminPassword: 'root password',
      ...options.settings,
    });
    const clock = new TestClock();
    const terminal = new TestTerminal(options.isInteractive ?? false);
    const parts = { settings, clock, uptime: new TestUptime(clock), terminal };
    const imports =
      typeof options.imports === 'function'
        ? options.imports(parts)
        : [ConfigModule.with(parts), CountingModule, ...options.imports];
    @Module({ imports })
    class TestModule {}
    const app = await NestFactory.create<NestExpressApplication>(TestModule, OPTIONS);
    this.cleanups.push(async () => {
      app.getHttpServer().closeAllConnections();
      await app.close();
    });
    configureHttp(app);
    await app.listen(0, '127.0.0.1');
    return { app, url: (await app.getUrl()).replace(/\/$/, ''), settings, clock, terminal };
  }

  folder(): string {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-http-'));
    this.cleanups.push(() => {
      rmSync(folder, { recursive: true, force: true });
      return Promise.resolve();
    });
    return folder;
  }

  async stopAll(): Promise<void> {
    for (const cleanup of this.cleanups.splice(0).reverse()) await cleanup();
  }
}

export const AGENT_HEADERS: Readonly<Record<string, string>> = { [PROTOCOL_HEADER]: String(PROTOCOL_VERSION) };

export function bearer(token: string): Record<string, string> {
  return { ...AGENT_HEADERS, authorization: `Bearer ${token}` };
}

export function postJson(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return fetch(url, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: text });
}

/** The answer's problem; throws when it is none. */
export async function problemFrom(response: Response): Promise<Problem> {
  const type = response.headers.get('content-type');
  if (type?.startsWith('application/problem+json') !== true) throw new Error(`no problem: ${await response.text()}`);
  return (await response.json()) as Problem;
}
