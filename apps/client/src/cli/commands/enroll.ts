import type { AgentSettings } from '../../config/agent-settings';
import { parseServerAddress } from '../../config/server-address';
import { loadCa } from '../../server-api/ca-file';
import { loadIdentity, saveIdentity } from '../../state/identity';
import { makeStateDirectory } from '../../state/durable-write';
import { CliError, ExitCode } from '../failure';
import { type Output } from '../output';
import { readPassword } from '../password';
import { printableBytes } from '../printable';
import { killPointsOf, settingsOf } from '../session';
import { AGENT_VERSION } from '../version';
import { type World } from '../world';

export interface EnrollArguments {
  server: string;
  username: string;
  passwordStdin: boolean;
  name?: string;
}

/** Makes this machine a client of the server and keeps its secret, readable by this user only. */
export async function enroll(world: World, output: Output, args: EnrollArguments): Promise<ExitCode> {
  const settings = settingsOf(world);
  const serverUrl = serverUrlOf(args.server, settings);
  // Before the password is asked for, and before the server makes a client that could not be kept.
  const clientName = args.name ?? world.hostName;
  const existing = loadIdentity(settings.stateDir);
  // The same name at the same server is attached again, with a new secret: an enrolment that was cut off can be repeated.
  if (existing !== null && (existing.serverUrl !== serverUrl || existing.clientName !== clientName)) {
    throw new CliError(
      'already-enrolled',
      `This machine is enrolled as "${existing.clientName}" at ${existing.serverUrl}. To make it another client, remove ${settings.stateDir}/identity.json or set HOLDFAST_STATE_DIR to another directory.`,
    );
  }
  makeStateDirectory(settings.stateDir);
  const password = await readPassword(world, args.passwordStdin);
  const api = world.connect({ serverUrl, ca: loadCa(settings.caFile) });
  try {
    const { access_token } = await api.login(args.username, password);
    const { clientId, secret } = await api.registerClient(access_token, {
      name: clientName,
      hostName: world.hostName,
      platform: process.platform,
      agentVersion: AGENT_VERSION,
    });
    saveIdentity(settings.stateDir, { serverUrl, clientId, clientName, secret }, killPointsOf(settings));
    await output.answer({ clientId, name: clientName, server: serverUrl }, [
      `Enrolled as "${printableBytes(Buffer.from(clientName))}" at ${serverUrl}. Back up a folder: holdfast backup PATH`,
    ]);
    return ExitCode.done;
  } finally {
    await api.close();
  }
}

function serverUrlOf(text: string, settings: AgentSettings): string {
  const address = parseServerAddress(text, settings);
  if ('url' in address) return address.url;
  throw new CliError('usage', `--server ${address.problem}`, ExitCode.usage);
}
