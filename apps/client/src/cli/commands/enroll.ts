import { nameOfHost } from '#common';
import type { AgentSettings } from '../../config/agent-settings';
import { parseServerAddress } from '../../config/server-address';
import type { ServerApi } from '../../server-api/server-api';
import { loadServerTrust, type ServerTrust } from '../../server-api/server-trust';
import { DamagedIdentityError, type Identity, loadIdentity, obtainAndSave, saveIdentity } from '../../state/identity';
import { CliError, ExitCode } from '../failure';
import { type Output } from '../output';
import { readPassword } from '../password';
import { printableBytes } from '../printable';
import { killPointsOf, patience, settingsOf } from '../session';
import { AGENT_VERSION } from '../version';
import { type World } from '../world';

export interface EnrollArguments {
  server: string;
  username?: string;
  passwordStdin: boolean;
  /** An enrolment code, instead of a user and a password. */
  code?: string;
  /** It stands on standard input: arguments can be seen in the list of processes. */
  codeStdin: boolean;
  /** A client's id, whose new secret stands on standard input: it was rotated on the server. */
  client?: string;
  name?: string;
}

type Credentials =
  | { readonly kind: 'password'; readonly username: string }
  | { readonly kind: 'code'; readonly code: string }
  | { readonly kind: 'secret'; readonly clientId: string };

const SECRET = /^[0-9a-f]{64}$/;

/** Makes this machine a client of the server and keeps its secret, readable by this user only. */
export async function enroll(world: World, output: Output, args: EnrollArguments): Promise<ExitCode> {
  const settings = settingsOf(world);
  const serverUrl = serverUrlOf(args.server, settings);
  const credentials = await credentialsOf(world, args);
  // Before the password is asked for, and before the server makes a client that could not be kept.
  const existing = loadUnlessDamaged(settings.stateDir, output);
  // An older agent took the host's name as it was.
  const isNamedAnew = credentials.kind === 'password' && existing?.clientName !== world.hostName;
  const clientName = args.name ?? (isNamedAnew ? undefined : existing?.clientName) ?? nameOfHost(world.hostName);
  if (existing !== null && !isSameClient(existing, { serverUrl, clientName, credentials })) {
    throw new CliError(
      'already-enrolled',
      `This machine is enrolled as "${existing.clientName}" at ${existing.serverUrl}. To make it another client, remove ${settings.stateDir}/identity.json or set HOLDFAST_STATE_DIR to another directory.`,
    );
  }
  const identity = await attach(world, { serverUrl, clientName, credentials, settings, existing, args });
  await output.answer({ clientId: identity.clientId, name: identity.clientName, server: serverUrl }, [
    `Enrolled as "${printableBytes(Buffer.from(identity.clientName))}" at ${serverUrl}. Back up a folder: holdfast backup PATH`,
  ]);
  return ExitCode.done;
}

/** A damaged identity says nothing of who this machine was: it may become any client, and the file is replaced. */
function loadUnlessDamaged(stateDir: string, output: Output): Identity | null {
  try {
    return loadIdentity(stateDir);
  } catch (error) {
    if (!(error instanceof DamagedIdentityError)) throw error;
    output.notice(`${error.path} is damaged: this enrolment replaces it.`);
    return null;
  }
}

async function credentialsOf(
  world: World,
  { username, code, codeStdin, client }: EnrollArguments,
): Promise<Credentials> {
  const given = [username, code, client].filter((value) => value !== undefined).length + (codeStdin ? 1 : 0);
  if (given !== 1)
    throw new CliError('usage', 'Give one of --username, --code, --code-stdin and --client.', ExitCode.usage);
  if (codeStdin) return { kind: 'code', code: (await readPassword(world, true)).trim() };
  if (code !== undefined) return { kind: 'code', code };
  return client === undefined ? { kind: 'password', username: username ?? '' } : { kind: 'secret', clientId: client };
}

/** The same name at the same server is attached again, with a new secret: an enrolment that was cut off can be repeated. */
function isSameClient(
  existing: Identity,
  { serverUrl, clientName, credentials }: { serverUrl: string; clientName: string; credentials: Credentials },
): boolean {
  if (credentials.kind === 'secret') return existing.clientId === credentials.clientId;
  return existing.serverUrl === serverUrl && existing.clientName === clientName;
}

/** The identity, saved. */
async function attach(
  world: World,
  {
    serverUrl,
    clientName,
    credentials,
    settings,
    existing,
    args,
  }: {
    serverUrl: string;
    clientName: string;
    credentials: Credentials;
    settings: AgentSettings;
    existing: Identity | null;
    args: EnrollArguments;
  },
): Promise<Identity> {
  const trust = loadServerTrust(settings, existing);
  const { fingerprints } = trust;
  const asking = { trust, retryForMs: settings.retryForMs };
  const killPoints = killPointsOf(settings);
  const machine = { hostName: world.hostName, platform: process.platform, agentVersion: AGENT_VERSION };
  if (credentials.kind === 'secret') {
    const secret = (await readPassword(world, true)).trim();
    if (!SECRET.test(secret))
      throw new CliError('usage', 'Standard input holds no secret (64 hex digits).', ExitCode.usage);
    const given = { serverUrl, clientId: credentials.clientId, clientName, secret, fingerprints };
    return obtainAndSave(settings.stateDir, () => named(world, given, asking), killPoints);
  }
  const request = { name: clientName, ...machine };
  const password = credentials.kind === 'password' ? await readPassword(world, args.passwordStdin) : '';
  const obtain = (): Promise<Identity> =>
    using(world.connect({ serverUrl, trust }), async (api) => {
      const { clientId, secret } =
        credentials.kind === 'code'
          ? await api.enrolClient({ ...request, code: credentials.code })
          : await api.registerClient((await api.login(credentials.username, password)).access_token, request);
      return { serverUrl, clientId, clientName, secret, fingerprints };
    });
  const identity = await obtainAndSave(settings.stateDir, obtain, killPoints);
  if (credentials.kind !== 'code') return identity;
  // After it was kept, as the code is spent: it may be for one client, whatever name was asked for.
  const known = await named(world, identity, asking);
  if (known.clientName !== clientName) saveIdentity(settings.stateDir, known, killPoints);
  return known;
}

/** With the name that the server has for it; proves the secret, too. */
function named(
  world: World,
  identity: Identity,
  { trust, retryForMs }: { trust: ServerTrust; retryForMs: number },
): Promise<Identity> {
  const { serverUrl, clientId, secret } = identity;
  const waiting = patience(world, { serverUrl, retryForMs });
  return using(world.connect({ serverUrl, credentials: { clientId, secret }, trust, ...waiting }), async (api) => ({
    ...identity,
    clientName: (await api.me()).name,
  }));
}

async function using<T>(api: ServerApi, work: (api: ServerApi) => Promise<T>): Promise<T> {
  try {
    return await work(api);
  } finally {
    await api.close();
  }
}

function serverUrlOf(text: string, settings: AgentSettings): string {
  const address = parseServerAddress(text, settings);
  if ('url' in address) return address.url;
  throw new CliError('usage', `--server ${address.problem}`, ExitCode.usage);
}
