import { createCipheriv } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { API, type ClientsAnswer, type RunsAnswer, type SpaceAnswer } from '#common';
import { Admin } from './support/admin';
import { differences } from './support/judge';
import { AgentProcess, ServerProcess, system, temporaryFolder } from './support/processes';

/** The same in every run: cut elsewhere, a first chunk might have room, or a last one that comes beside a refused one. */
function incompressible(seed: number, length: number): Buffer {
  return createCipheriv('aes-256-ctr', Buffer.alloc(32, seed), Buffer.alloc(16)).update(Buffer.alloc(length));
}

it('a user over his quota is refused before his bytes are stored, told why, and goes on when he may have more', async () => {
  const folder = temporaryFolder('quota');
  const server = await ServerProcess.create(join(folder.path, 'data'));
  try {
    await server.start();
    const admin = await Admin.login(server.url);
    const setQuota = (bytes: number | null): Promise<unknown> =>
      admin.call('PATCH', API.user(admin.userId), { quota_bytes: bytes });
    const agent = new AgentProcess(join(folder.path, 'state'));
    await agent.enroll(server);
    const source = join(folder.path, 'source');
    mkdirSync(source);
    writeFileSync(join(source, 'first'), incompressible(1, 400_000));
    await setQuota(1_000_000);
    await agent.json(['backup', source]);
    const onDisk = async (): Promise<number> =>
      Number.parseInt(await system('du', ['-sb', join(folder.path, 'data', 'packs')]), 10);
    const newestRun = async (): Promise<RunsAnswer['runs'][number]> => {
      const { clients } = await admin.call<ClientsAnswer>('GET', API.clients);
      return (await admin.call<RunsAnswer>('GET', API.clientRuns(clients[0]!.id))).runs[0]!;
    };
    const before = await onDisk();

    writeFileSync(join(source, 'second'), incompressible(2, 3_000_000));
    const refused = await agent.run(['backup', source]);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toMatch(/quota is used up: \d+ bytes are stored of 1000000 .* and \d+ more were to come/);
    expect(await onDisk()).toBe(before);
    expect(await newestRun()).toMatchObject({ state: 'failed', error: expect.stringContaining('quota') as string });

    // Below what is stored already: not even a run starts; what is there restores.
    await setQuota(100_000);
    const late = await agent.run(['backup', source]);
    expect(late.code).not.toBe(0);
    expect(late.stderr).toContain('of 100000 that the user may have');
    expect(await newestRun()).toMatchObject({ state: 'failed', error: expect.stringContaining('quota') as string });
    const target = join(folder.path, 'restored');
    await agent.json(['restore', 'latest', '--target', target]);
    expect(await system('cmp', [join(source, 'first'), join(target, source, 'first')])).toBe('');

    await setQuota(null);
    await agent.json(['backup', source]);
    const whole = join(folder.path, 'whole');
    await agent.json(['restore', 'latest', '--target', whole]);
    expect(await differences(source, join(whole, source))).toBe('');

    // What is stored for him is told, and reckoned: random bytes do not shrink.
    await admin.run('space', {});
    const { users, clients, tasks } = await admin.call<SpaceAnswer>('GET', API.space);
    for (const { logicalBytes, uniqueBytes } of [users[0]!, clients[0]!, tasks[0]!]) {
      expect([logicalBytes, uniqueBytes]).toEqual([3_400_000, 3_400_000]);
    }
    expect(users[0]!.storedBytes).toBeGreaterThan(3_400_000);
    expect(users[0]!.storedBytes).toBeLessThan(3_500_000);
  } finally {
    await server.kill('SIGTERM');
    folder.remove();
  }
}, 120_000);
