import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Admin } from './support/admin';
import { differences } from './support/judge';
import { AgentProcess, DATABASE_KINDS, ServerProcess, system, temporaryFolder } from './support/processes';

interface Report {
  swept: number;
  rewrittenPacks: number;
  packsDeleted: number;
  freedBytes: number;
}

const TITLE = 'reclaim gives back on the disk what retention took, and what is kept restores byte for byte, on %s';

it.each(DATABASE_KINDS)(
  TITLE,
  async (kind) => {
    const folder = temporaryFolder('reclaim');
    const server = await ServerProcess.on(kind, join(folder.path, 'data'));
    try {
      await server.start();
      const agent = new AgentProcess(join(folder.path, 'state'));
      await agent.enroll(server);
      await (await Admin.login(server.url)).setRetention({ retention_versions: 1 });
      const source = join(folder.path, 'source');
      mkdirSync(source);
      const write = (count: number): void => {
        for (let at = 0; at < count; at += 1) writeFileSync(join(source, `small ${at}`), randomBytes(8_000));
      };
      write(300);
      writeFileSync(join(source, 'large'), randomBytes(2_000_000));
      await agent.json(['backup', source]);
      write(200);
      writeFileSync(join(source, 'large'), randomBytes(2_000_000));
      await agent.json(['backup', source]);

      const onDisk = async (): Promise<number> => {
        const told = await system('du', ['-s', '--block-size=1', join(folder.path, 'data', 'packs')]);
        return Number.parseInt(told, 10);
      };
      const before = await onDisk();
      const pass = async (hours: number): Promise<Report> => {
        await server.kill('SIGTERM');
        await server.start({ HOLDFAST_CLOCK_AHEAD_SECONDS: String(hours * 3_600) });
        return (await (await Admin.login(server.url)).reclaim()) as Report;
      };
      expect(await pass(1)).toMatchObject({ swept: 0, rewrittenPacks: 0, packsDeleted: 0 });
      const second = await pass(50);
      expect(second.swept).toBeGreaterThan(200);
      expect(second.rewrittenPacks).toBeGreaterThan(0);
      const third = await pass(123);
      expect(third.packsDeleted).toBeGreaterThan(0);
      // 4.4 MB are in use of 8 MB: 100 files of the first backup share blocks with 200 that are gone.
      const after = await onDisk();
      expect(after).toBeLessThan(before * 0.65);
      const target = join(folder.path, 'restored');
      await agent.json(['restore', 'latest', '--target', target]);
      expect(await differences(source, join(target, source))).toBe('');
    } finally {
      await server.end();
      folder.remove();
    }
  },
  240_000,
);
