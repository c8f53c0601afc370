import { type KillPoints, killPointsFrom } from '#common';
import { type AgentSettings, loadAgentSettings } from '../config/agent-settings';
import { type ServerApi } from '../server-api/server-api';
import { loadServerTrust } from '../server-api/server-trust';
import { type Identity, loadIdentity } from '../state/identity';
import { CliError, ExitCode } from './failure';
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

/** Runs `work` as the enrolled client, and ends the connections after it. */
export async function withSession<T>(world: World, work: (session: Session) => Promise<T>): Promise<T> {
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
    retry: { retryForMs: settings.retryForMs },
  });
  try {
    return await work({ settings, identity, api });
  } finally {
    await api.close();
  }
}

/** For commands that only read: waiting for the server ends when the user has had enough. */
export async function withReadingSession<T>(world: World, work: (session: Session) => Promise<T>): Promise<T> {
  return withSession(world, async (session) => {
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
  });
}
