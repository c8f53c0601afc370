import { randomBytes } from 'node:crypto';
import type { KillPoints } from '#common';
import { AGENT_VERSION } from '../cli/version';
import type { Credentials } from '../config/service-settings';
import { HttpServerApi } from '../server-api/http-server-api';
import type { ServerApi } from '../server-api/server-api';
import type { ServerTrust } from '../server-api/server-trust';
import { type Identity, obtainAndSave } from '../state/identity';
import type { ServiceState } from '../state/service-state';

export interface EnrolmentTarget {
  readonly serverUrl: string;
  readonly clientName: string;
  readonly credentials: Credentials;
}

export interface EnrolmentParts {
  readonly stateDir: string;
  readonly state: ServiceState;
  readonly killPoints: KillPoints;
  readonly trust: ServerTrust;
  readonly hostName: string;
}

/**
 * Makes this machine a client of the server and keeps its secret. The secret is chosen here and written down before it is
 * asked for, so that an enrolment whose answer was lost is repeated with the same one. Throws what the server refuses with.
 */
export async function enrol(target: EnrolmentTarget, parts: EnrolmentParts): Promise<Identity> {
  const { serverUrl, clientName } = target;
  const secret = secretFor(target, parts.state);
  const api = new HttpServerApi({ serverUrl, trust: parts.trust });
  const obtain = async (): Promise<Identity> => {
    const clientId = await register(api, target, { secret, hostName: parts.hostName });
    return { serverUrl, clientId, clientName, secret, fingerprints: parts.trust.fingerprints };
  };
  try {
    const identity = await obtainAndSave(parts.stateDir, obtain, parts.killPoints);
    parts.state.enrolment.remove();
    return identity;
  } finally {
    await api.close();
  }
}

function secretFor({ serverUrl, clientName }: EnrolmentTarget, state: ServiceState): string {
  const pending = state.enrolment.load();
  if (pending?.serverUrl === serverUrl && pending.clientName === clientName) return pending.secret;
  const secret = randomBytes(32).toString('hex');
  state.enrolment.save({ serverUrl, clientName, secret });
  return secret;
}

async function register(
  api: ServerApi,
  { clientName, credentials }: EnrolmentTarget,
  { secret, hostName }: { secret: string; hostName: string },
): Promise<string> {
  const request = { name: clientName, hostName, platform: process.platform, agentVersion: AGENT_VERSION, secret };
  if (credentials.kind === 'code') {
    const answer = await api.enrolClient({ ...request, code: credentials.code });
    return answer.clientId;
  }
  const { access_token } = await api.login(credentials.username, credentials.password);
  const answer = await api.registerClient(access_token, request);
  return answer.clientId;
}
