import { cpSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { openManifest, verifyPack, type Change } from '#engine';
import { describeTree, type DescribedNode } from './support/describe-tree';
import { AgentProcess, ServerProcess, temporaryFolder } from './support/processes';

const FIXTURE = join(__dirname, 'fixtures', 'repository-v1');
const expected = JSON.parse(readFileSync(join(FIXTURE, 'expected.json'), 'utf8')) as {
  source: string;
  /** Oldest first. */
  snapshots: DescribedNode[][];
};

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile());
}

describe('the repository that the first version wrote', () => {
  it('has packs that this version verifies whole', async () => {
    const packs = filesBelow(join(FIXTURE, 'data', 'packs'));
    expect(packs.length).toBeGreaterThan(0);
    for (const path of packs) {
      const bytes = readFileSync(path);
      const blocks = await verifyPack(
        async (offset, length) => bytes.subarray(offset, offset + length),
        bytes.length,
        path,
      );
      expect(blocks.length).toBeGreaterThan(0);
    }
  });

  it('has manifests that this version reads', async () => {
    const numbers: number[] = [];
    for (const path of filesBelow(join(FIXTURE, 'data', 'tasks'))) {
      async function* source(): AsyncGenerator<Buffer> {
        yield readFileSync(path);
      }
      const { header, records } = await openManifest(source(), path);
      const changes: Change[] = [];
      for await (const change of records) changes.push(change);
      expect(changes.length).toBeGreaterThan(0);
      numbers.push(header.number);
    }
    expect(numbers.sort()).toEqual([1, 2]);
  });

  it('is served, and every snapshot of it restored', async () => {
    const folder = temporaryFolder('fixture');
    cpSync(join(FIXTURE, 'data'), join(folder.path, 'data'), { recursive: true });
    const server = await ServerProcess.create(join(folder.path, 'data'));
    try {
      expect(await server.start()).toBe('serving');
      const agent = new AgentProcess(join(folder.path, 'state'));
      expect(await agent.enroll(server, 'fixture')).toMatchObject({ code: 0 });
      const { snapshots } = await agent.json<{ snapshots: { id: string }[] }>(['snapshots']);
      expect(snapshots).toHaveLength(2);
      for (const [index, { id }] of snapshots.toReversed().entries()) {
        const target = join(folder.path, id);
        await agent.json(['restore', id, '--target', target]);
        expect(describeTree(join(target, expected.source))).toEqual(expected.snapshots[index]);
      }
    } finally {
      await server.kill('SIGTERM');
      folder.remove();
    }
  });
});
