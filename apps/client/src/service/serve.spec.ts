import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NO_KILL_POINTS } from '#common';
import { loadServiceSettings } from '../config/service-settings';
import { saveIdentity } from '../state/identity';
import type { AgentModuleOptions } from './agent.module';
import { AgentService } from './agent.service';
import { start } from './serve';

const MACHINE = { hostName: 'machine', isContainer: false, timeZone: 'UTC' };

describe('the start of the service when the port of its page is taken', () => {
  let stateDir: string;
  let holder: Server;
  let printed: string[];
  beforeEach(async () => {
    stateDir = mkdtempSync(join(tmpdir(), 'holdfast-serve-'));
    printed = [];
    holder = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
  });
  afterEach(async () => {
    await new Promise((resolve) => holder.close(resolve));
    rmSync(stateDir, { recursive: true });
  });

  const takenPort = (): number => (holder.address() as AddressInfo).port;
  function options(): AgentModuleOptions {
    const machine = MACHINE;
    const environment = {
      HOLDFAST_STATE_DIR: stateDir,
      CLIENT_UI_HOST: '127.0.0.1',
      CLIENT_UI_PORT: String(takenPort()),
    };
    const settings = loadServiceSettings(environment, machine);
    return { settings, machine, environment, print: (line) => printed.push(line) };
  }

  it('goes on without the page when it is enrolled, and says so', async () => {
    const identity = { clientId: 'client-1', clientName: 'machine', secret: 'x', fingerprints: [] };
    saveIdentity(stateDir, { ...identity, serverUrl: `http://127.0.0.1:${takenPort()}` }, NO_KILL_POINTS);
    const app = await start(options());
    const service = app.get(AgentService);
    expect(service.current).not.toBeNull();
    expect(printed.join('')).toMatch(/error the configuration page cannot use port .*EADDRINUSE.*works without it/);
    await service.stop();
    await app.close();
  });

  it('ends when it is not enrolled: nobody could enrol it', async () => {
    await expect(start(options())).rejects.toThrow(/cannot use port .*EADDRINUSE/);
  });
});

describe('the start of the service with its page', () => {
  it('hides no address by which the page is reached', async () => {
    const stateDir = mkdtempSync(join(tmpdir(), 'holdfast-serve-'));
    const environment = { HOLDFAST_STATE_DIR: stateDir, CLIENT_UI_HOST: '0.0.0.0', CLIENT_UI_PORT: '0' };
    const settings = loadServiceSettings(environment, MACHINE);
    const printed: string[] = [];
    const app = await start({ settings, machine: MACHINE, environment, print: (line) => printed.push(line) });
    expect(printed.join('')).toMatch(
      /^the configuration page is at http:\/\/127\.0\.0\.1:(\d+) and port \1 of all IPv4 addresses$/m,
    );
    await app.get(AgentService).stop();
    await app.close();
    rmSync(stateDir, { recursive: true });
  });
});
