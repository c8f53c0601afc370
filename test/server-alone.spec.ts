import { spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { until } from './support/fleet-journey';
import { itWith } from './support/judge';
import { AgentProcess, ServerProcess, system, temporaryFolder } from './support/processes';

describe('a server, its disk and its port', () => {
  const folder = temporaryFolder('server-alone');

  afterAll(() => {
    folder.remove();
  });

  itWith('isRoot').each([
    ['full', '0'],
    ['as full as MIN_FREE_BYTES lets it become', String(8 * 1024 * 1024)],
  ])(
    'a server disk that is %s fails the run, loses nothing of before, and the next run goes through',
    async (_how, minFreeBytes) => {
      const home = join(folder.path, `full-server-${minFreeBytes}`);
      const data = join(home, 'data');
      const source = join(home, 'source');
      mkdirSync(data, { recursive: true });
      mkdirSync(source);
      await system('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', data]);
      const small = await ServerProcess.create(data, { MIN_FREE_BYTES: minFreeBytes });
      try {
        expect(await small.start()).toBe('serving');
        const agent = new AgentProcess(join(home, 'state'), { HOLDFAST_RETRY_SECONDS: '3' });
        expect(await agent.enroll(small)).toMatchObject({ code: 0 });
        writeFileSync(join(source, 'first'), randomBytes(4 * 1024 * 1024));
        await agent.json(['backup', source]);
        writeFileSync(join(source, 'second'), randomBytes(64 * 1024 * 1024));
        const failed = await agent.run(['backup', source]);
        expect(failed.code).toBe(1);
        expect(failed.stderr).toMatch(/full|space|storage/i);
        unlinkSync(join(source, 'second'));
        await agent.json(['backup', source]);
        await agent.json(['restore', 'latest', '--target', join(home, 'target')]);
        expect(spawnSync('cmp', [join(source, 'first'), join(home, 'target', source, 'first')]).status).toBe(0);
        // Whoever cannot store anything any more may still restore, an agent without a token, too.
        spawnSync('dd', ['if=/dev/zero', `of=${join(data, 'filler')}`, 'bs=4k']);
        await agent.json(['restore', 'latest', '--target', join(home, 'again')]);
        expect(spawnSync('cmp', [join(source, 'first'), join(home, 'again', source, 'first')]).status).toBe(0);
      } finally {
        await small.kill();
        await system('umount', [data]);
      }
    },
  );

  it('names a taken port, and PORT', async () => {
    const first = await ServerProcess.create(join(folder.path, 'first-data'));
    expect(await first.start()).toBe('serving');
    const second = await ServerProcess.create(join(folder.path, 'second-data'), { PORT: String(first.port) });
    // The first server answers on that port, so `start` may see it; what counts is how the second ends.
    await second.start();
    await second.whenOver();
    expect(second.endedBy).toBe('1');
    expect(second.log).toContain('PORT');
    await first.kill('SIGTERM');
  });

  it('waits for the one before to stop, and meanwhile touches nothing of what that works on', async () => {
    const data = join(folder.path, 'shared-data');
    const first = await ServerProcess.create(data);
    expect(await first.start()).toBe('serving');
    const second = await ServerProcess.create(data);
    const starting = second.start();
    await until('the second waits', () => second.log.includes('Another server works on this database'));
    expect(second.log).not.toContain('serves on');
    await first.kill('SIGTERM');
    expect(await starting).toBe('serving');
    await second.kill('SIGTERM');
  });

  it('refuses another repository than its own, and an empty database on a used storage', async () => {
    const home = join(folder.path, 'identity');
    const first = await ServerProcess.create(join(home, 'data'));
    expect(await first.start()).toBe('serving');
    await first.kill('SIGTERM');
    const emptied = await ServerProcess.create(join(home, 'data'), { DATABASE_PATH: join(home, 'other.sqlite') });
    expect(await emptied.start()).toBe('ended');
    expect(emptied.log).toMatch(/repository|storage/i);
    expect(existsSync(join(home, 'data', 'repository.json'))).toBe(true);
    const identity = JSON.parse(readFileSync(join(home, 'data', 'repository.json'), 'utf8')) as { id: string };
    writeFileSync(
      join(home, 'data', 'repository.json'),
      JSON.stringify({ ...identity, id: '00000000-0000-4000-8000-000000000000' }),
    );
    expect(await first.start()).toBe('ended');
    expect(first.log).toContain('00000000-0000-4000-8000-000000000000');
  });

  it('keeps its secrets where only their owner can read them', async () => {
    const home = join(folder.path, 'secrets');
    const fresh = await ServerProcess.create(join(home, 'data'), {
      ADMIN_USERNAME: undefined,
      ADMIN_PASSWORD: undefined,
    });
    expect(await fresh.start()).toBe('serving');
    const modes = await system('stat', [
      '-c',
      '%a',
      join(home, 'data', 'secret-key'),
      join(home, 'data', 'admin-password'),
    ]);
    expect(modes.trim().split('\n')).toEqual(['600', '600']);
    const password = readFileSync(join(home, 'data', 'admin-password'), 'utf8').trim();
    expect(fresh.log).not.toContain(password);
    const agent = new AgentProcess(join(home, 'state'));
    expect(await agent.enroll(fresh, 'machine', { username: 'admin', password })).toMatchObject({ code: 0 });
    const wrong = await new AgentProcess(join(home, 'state-2')).enroll(fresh, 'other', {
      username: 'admin',
      password: 'wrong password',
    });
    expect(wrong.code).toBe(1);
    await fresh.kill('SIGTERM');
    chownSync(home, 0, 0);
  });
});
