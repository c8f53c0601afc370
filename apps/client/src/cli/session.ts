import { type KillPoints, killPointsFrom } from '#common';
import { type AgentSettings, loadAgentSettings } from '../config/agent-settings';
import type { HttpServerApiOptions } from '../server-api/http-server-api';
import { type ServerApi } from '../server-api/server-api';
import { loadServerTrust } from '../server-api/server-trust';
import { type Identity, loadIdentity } from '../state/identity';
import { CliError, ExitCode } from './failure';
import { printableMessage } from './printable';
import { type World } from './world';

/** Bad settings end a command as bad usage does, each named, none with its value. */
export function settingsOf(world: World): AgentSettings {
  try {
    return loadAgentSettings(world.env);
  } catch (error) {
    throw new CliError('bad-settings', error instanceof Error ? error.message : String(error), ExitCode.usage);
  }
}

export function killPointsOf(settings: AgentSettings): KillPoints {
  return killPointsFrom(settings.killAt);
}

export interface Session {
  settings: AgentSettings;
  identity: Identity;
  api: ServerApi;
}

/** How a connection waits for a server that is away: `retryForMs`, and the user is told so at once. */
export function patience(
  world: World,
  { serverUrl, retryForMs }: { serverUrl: string; retryForMs: number },
): Pick<HttpServerApiOptions, 'retry' | 'onFirstWait'> {
  const { stderr } = world;
  return {
    retry: { retryForMs },
    onFirstWait: (reason) => {
      const text = `waiting for the server at ${serverUrl} (up to ${retryForMs / 1000} s): ${reason}`;
      // A progress bar may stand on the terminal's last line.
      stderr.write(`${stderr.isTTY === true ? '\r\x1b[K' : ''}holdfast: ${printableMessage(text)}\n`);
    },
  };
}

/** Runs `work` as the enrolled client, and ends the connections after it. */
export async function withSession<T>(world: World, work: (session: Session) => Promise<T>): Promise<T> {
  return connected(world, 'retryForMs', work);
}

/** For commands that only read: waiting for the server ends when the user has had enough. */
export async function withReadingSession<T>(world: World, work: (session: Session) => Promise<T>): Promise<T> {
  return connected(world, 'retryForMs', (session) => closingOnCancel(world, session, work));
}

/** For commands that answer a question and can be asked again at no cost: they wait for the server a short time only. */
export async function withLookupSession<T>(world: World, work: (session: Session) => Promise<T>): Promise<T> {
  return connected(world, 'lookupRetryForMs', (session) => closingOnCancel(world, session, work));
}

async function connected<T>(
  world: World,
  wait: 'retryForMs' | 'lookupRetryForMs',
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const settings = settingsOf(world);
  const identity = loadIdentity(settings.stateDir);
  if (identity === null) {
    throw new CliError(
      'not-enrolled',
      `This machine is not enrolled (nothing in ${settings.stateDir}). Run: holdfast enroll --server URL --username NAME (or --code CODE)`,
    );
  }
  const { serverUrl, clientId, secret } = identity;
  const api = world.connect({
    serverUrl,
    credentials: { clientId, secret },
    trust: loadServerTrust(settings, identity),
    ...patience(world, { serverUrl, retryForMs: settings[wait] }),
  });
  try {
    return await work({ settings, identity, api });
  } finally {
    await api.close();
  }
}

async function closingOnCancel<T>(world: World, session: Session, work: (session: Session) => Promise<T>): Promise<T> {
  const close = (): void => void session.api.close();
  world.signal.addEventListener('abort', close, { once: true });
  try {
    return await work(session);
  } catch (error) {
    if (world.signal.aborted) throw new CliError('cancelled', 'Cancelled.');
    throw error;
  } finally {
    world.signal.removeEventListener('abort', close);
  }
}
