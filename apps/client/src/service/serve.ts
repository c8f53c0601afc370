import 'reflect-metadata';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { ConsoleLogger, type INestApplicationContext, type NestApplicationOptions } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { onHangUp, outlivesTerminal, reachedAt } from '#common';
import { loadServiceSettings, missingSettings, type PageSettings, thisMachine } from '../config/service-settings';
import { type Environment, SettingsError } from '../config/setting-reader';
import { AgentLog } from '../log/agent-log';
import { makeStateDirectory } from '../state/durable-write';
import { loadIdentity } from '../state/identity';
import { TaskBusyError, TaskLock } from '../state/task-lock';
import { urlencoded } from 'express';
import { pageMiddleware } from '../config-page/page.middleware';
import { errorCode } from '../system/error-code';
import { AgentModule, type AgentModuleOptions } from './agent.module';
import { AgentService } from './agent.service';

const FAILED = 1;
const BAD_SETTINGS = 2;

// eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- Nest's options are an interface over a class that nobody instantiates
const OPTIONS: NestApplicationOptions = {
  abortOnError: false,
  bodyParser: false,
  logger: new ConsoleLogger({ logLevels: ['warn', 'error', 'fatal'], colors: process.stderr.isTTY }),
};

/** Runs the agent until it is told to stop. Exit codes: 0 stopped, 1 failed, 2 settings are wrong or missing. */
export async function serve(env: Environment): Promise<void> {
  try {
    const options = prepare(env);
    makeStateDirectory(options.settings.stateDir);
    const lock = lockState(options.settings.stateDir);
    try {
      await run(options);
    } finally {
      lock.release();
    }
    process.exit(0);
  } catch (error) {
    process.stderr.write(`holdfast: ${wordsFor(error)}\n`);
    process.exit(error instanceof SettingsError ? BAD_SETTINGS : FAILED);
  }
}

function prepare(env: Environment): AgentModuleOptions {
  const machine = thisMachine();
  const settings = loadServiceSettings(env, machine);
  const missing = settings.page.isEnabled ? [] : missingSettings(settings, loadIdentity(settings.stateDir) !== null);
  if (missing.length > 0) {
    throw new SettingsError([
      `without the configuration page (CLIENT_UI_ENABLED=false) these are needed: ${missing.join(', ')}`,
    ]);
  }
  const print = (line: string): void => void process.stdout.write(line);
  return { settings, machine, environment: env, print };
}

/** One service for one state directory; commands of the command line work beside it. */
function lockState(stateDir: string): TaskLock {
  try {
    return TaskLock.acquire(join(stateDir, 'service.lock'), 'service');
  } catch (error) {
    if (!(error instanceof TaskBusyError)) throw error;
    throw new Error(`another agent (process ${error.pid}) works with ${stateDir}: stop it first`, { cause: error });
  }
}

async function run(options: AgentModuleOptions): Promise<void> {
  const stopped = stopOnSignals(options.environment);
  const app = await start(options);
  const service = app.get(AgentService);
  try {
    await Promise.race([stopped, service.failed]);
  } finally {
    await service.stop();
    await app.close();
  }
}

/** An enrolled agent works without its page when the page cannot be bound: backups count more. Throws for one that is not. */
export async function start(options: AgentModuleOptions): Promise<INestApplicationContext> {
  const { page, stateDir } = options.settings;
  const module = AgentModule.with(options);
  if (!page.isEnabled) return NestFactory.createApplicationContext(module, OPTIONS);
  const app = await NestFactory.create<NestExpressApplication>(module, OPTIONS);
  app.disable('x-powered-by');
  app.use(pageMiddleware(page.allowedHosts), urlencoded({ extended: false, limit: '64kb', parameterLimit: 20 }));
  try {
    await app.listen(page.port, page.host);
  } catch (error) {
    const problem = portError(page, error);
    if (loadIdentity(stateDir) !== null && errorCode(error) !== '') {
      app.get(AgentLog).error(`${problem.message}. The agent works without it`);
      return app;
    }
    await app.close();
    throw problem;
  }
  const bound = app.getHttpServer().address() as AddressInfo;
  options.print(`the configuration page is at ${reachedAt('http', bound)}\n`);
  return app;
}

function portError({ port, host }: PageSettings, error: unknown): Error {
  const code = errorCode(error);
  if (code === '') return error instanceof Error ? error : new Error(String(error));
  return new Error(
    `the configuration page cannot use port ${port} of ${host} (${code}): set CLIENT_UI_PORT or CLIENT_UI_HOST, or CLIENT_UI_ENABLED=false`,
    { cause: error },
  );
}

/** Resolves at the first SIGTERM or SIGINT, or when the terminal closes; the second ends the process at once: nothing is lost, a kill is survived. */
function stopOnSignals(env: Environment): Promise<void> {
  return new Promise((resolve) => {
    let isStopping = false;
    const stop = (): void => {
      if (isStopping) process.exit(FAILED);
      isStopping = true;
      resolve();
    };
    process.on('SIGTERM', stop).on('SIGINT', stop);
    // Terminals say it more than once.
    onHangUp(outlivesTerminal(env), () => {
      isStopping = true;
      resolve();
    });
  });
}

/** Errors that are written for the operator; a fault shows all it knows. */
function wordsFor(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error instanceof TypeError || error instanceof ReferenceError ? (error.stack ?? error.message) : error.message;
}
