import { type Role } from '#common';
import { eachDatabase } from '../database/testing';
import type { PersonIdentity } from '../users/person-identity';
import { CatalogPathsRepository } from './catalog-paths.repository';
import { CatalogReadRepository } from './catalog-read.repository';
import { DamageRepository } from './damage.repository';
import { DamageService } from './damage.service';
import { close, contentOf, directory, fileOf, type TestAgent, TestServer, WatchedStorage } from './runs.testing';
import { TaskDefinitionsRepository } from './task-definitions.repository';
import type { TaskDefinitionRules } from './task-definitions.service';
import { TaskDefinitionsService } from './task-definitions.service';

const [A, B, C] = ['a', 'b', 'c'].map((text) => contentOf(text)) as [
  ReturnType<typeof contentOf>,
  ReturnType<typeof contentOf>,
  ReturnType<typeof contentOf>,
];

eachDatabase('damage', (open) => {
  let server: TestServer;
  let damage: DamageService;
  let agent: TestAgent;
  let other: TestAgent;
  let chunks: number[];
  let runIds: string[];
  let remove: () => void;

  beforeEach(async () => {
    const { database } = await open();
    const made = WatchedStorage.make();
    remove = made.remove;
    server = new TestServer(database, made.storage);
    const paths = new CatalogPathsRepository();
    // Of the tasks only whose they are is asked.
    const tasks = new TaskDefinitionsService(
      database,
      new TaskDefinitionsRepository(),
      null as unknown as TaskDefinitionRules,
    );
    damage = new DamageService(database, new DamageRepository(paths), new CatalogReadRepository(paths), tasks);
    agent = await server.agent(1, 1);
    other = await server.agent(2, 2);
    chunks = await server.addChunks(1, [A, B, C]);
    await server.addChunks(2, [A]);
    runIds = [];
    await run(directory('/'), fileOf('/one', A), fileOf('/two', B));
    await run(fileOf('/two', C));
    await run(close('/one'));
    await other.backUp(directory('/'), fileOf('/theirs', A));
  });
  afterEach(() => {
    remove();
  });

  async function run(...changes: Parameters<TestAgent['backUp']>): Promise<void> {
    await agent.backUp(...changes);
    runIds.push(agent.run.runId);
  }

  const person = (role: Role, userNo: number): PersonIdentity => ({
    ...{ userNo, userId: 'u', username: 'u', role, signedInMs: 1, scopes: null, address: null },
  });
  const ADMIN = person('admin', 99);
  const files = (after = 0) => damage.files(ADMIN, agent.taskId, after);

  it('names nothing while nothing is damaged', async () => {
    expect(await damage.describe(ADMIN)).toEqual({ damagedChunks: 0, tasks: [], packs: [] });
    expect(await files()).toEqual({ files: [], next: null });
  });

  it('names exactly the tasks, snapshots and files that the chunk is in', async () => {
    await server.setChunk(chunks[0]!, 'damaged = 1');
    const { damagedChunks, tasks } = await damage.describe(ADMIN);
    expect(damagedChunks).toBe(1);
    expect(tasks).toMatchObject([
      { taskId: agent.taskId, task: 'cli', client: 'client 1', owner: 'owner', files: 1, versions: 1, currentFiles: 0 },
    ]);
    expect(tasks[0]!.snapshots.map(({ id }) => id)).toEqual([runIds[1], runIds[0]]);
    expect((await files()).files).toEqual([
      {
        ...{ pathBase64: Buffer.from('/one').toString('base64'), path: '/one', versions: 1, isCurrent: false },
        ...{ oldestSnapshotId: runIds[0], newestSnapshotId: runIds[1] },
      },
    ]);
    expect(await damage.files(ADMIN, other.taskId, 0)).toEqual({ files: [], next: null });
  });

  it('says which files are read again, and forgets them when they are healed', async () => {
    await server.setChunk(chunks[2]!, 'damaged = 1');
    expect((await damage.describe(ADMIN)).tasks).toMatchObject([{ files: 1, currentFiles: 1 }]);
    expect((await files()).files).toMatchObject([{ path: '/two', isCurrent: true, newestSnapshotId: runIds[2] }]);
    await server.setChunk(chunks[2]!, 'damaged = 0');
    expect(await damage.describe(ADMIN)).toEqual({ damagedChunks: 0, tasks: [], packs: [] });
  });

  it('finds what refers to a chunk through lists', async () => {
    const [list] = await server.addChunks(1, [contentOf('list', 1)]);
    await server.database.write('packs.live', (tx) =>
      tx.run('insert into list_refs (list_no, child_no) values (?, ?)', [list!, chunks[1]!]),
    );
    await run(fileOf('/large', contentOf('list', 1)));
    await server.setChunk(chunks[1]!, 'damaged = 1');
    expect((await files()).files.map(({ path }) => path)).toEqual(['/two', '/large']);
  });

  it('does not count what a run has not committed', async () => {
    await server.setChunk(chunks[2]!, 'damaged = 1');
    await agent.start();
    await server.setChunk(chunks[2]!, 'damaged = 0');
    await agent.send(fileOf('/new', C), close('/two'));
    await server.setChunk(chunks[2]!, 'damaged = 1');
    expect((await files()).files).toMatchObject([{ path: '/two', isCurrent: true }]);
  });

  it('tells a user of his own only, and of faulty packs only admins', async () => {
    await server.setChunk(chunks[0]!, 'damaged = 1');
    expect(await damage.describe(person('user', 1))).toMatchObject({
      damagedChunks: 1,
      tasks: [{ files: 1 }],
      packs: null,
    });
    expect(await damage.describe(person('user', 2))).toEqual({ damagedChunks: 0, tasks: [], packs: null });
    expect(await damage.describe(person('viewer', 3))).toMatchObject({ damagedChunks: 1, packs: null });
    await expect(damage.files(person('user', 2), agent.taskId, 0)).rejects.toMatchObject({ code: 'not-found' });
  });
});
