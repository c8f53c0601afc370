import { engine } from '../holdfast-code.mjs';
import { contentAt, detectionOf, directoryEntry, fileEntry } from './seed.mjs';

/** As many changes in a batch as the agent sends. */
const CHANGES_PER_BATCH = 500;

/** `put` of every node of a tree, as a first backup sends it. */
export function allOf(tree, { chunkCount, number }) {
  return function* changes() {
    const isFile = new Uint8Array(tree.size);
    for (const node of tree.files) isFile[node] = 1;
    for (let node = 0; node < tree.size; node += 1)
      yield put(
        tree,
        node,
        isFile[node] === 1 ? fileEntry((node * 31) % chunkCount, number) : directoryEntry(number),
        number,
      );
  };
}

/** `put` of these files with other content than any seeded run gave them. */
export function newContentOf(tree, nodes, { chunkCount, number }) {
  return function* changes() {
    for (const node of nodes) yield put(tree, node, fileEntry((node * 37 + 5) % chunkCount, number), number);
  };
}

function put(tree, node, entry, number) {
  return {
    type: 'put',
    path: Buffer.from(tree.pathOf(node)),
    entry: engine.encodeEntry(entry),
    detection: detectionOf(node, number),
  };
}

/** The batches as they travel, made before anything is measured. */
export function encodeBatches(changes) {
  const batches = [];
  let encoder = null;
  let parts = [];
  const close = () => {
    if (encoder === null) return;
    batches.push({ body: Buffer.concat([...parts, encoder.finish()]), digest: encoder.digest, changes: encoder.count });
    encoder = null;
    parts = [];
  };
  for (const change of changes()) {
    encoder ??= new engine.RecordStreamEncoder('changes');
    const ready = encoder.add(engine.encodeChange(change));
    if (ready !== null) parts.push(ready);
    if (encoder.count >= CHANGES_PER_BATCH) close();
  }
  close();
  return batches;
}

export async function startRun(api, taskId) {
  const { runId, token } = await api.startRun(taskId, {
    rootsBase64: [Buffer.from('/srv').toString('base64')],
    excludes: [],
    platform: 'linux',
    hostName: 'benchmark',
    chunkerId: engine.CHUNKER_ID,
    agentVersion: '0.1.0',
  });
  return { runId, token };
}

/** Sends one batch after the other; returns what the commit is to be told. */
export async function sendBatches(api, run, batches) {
  let digest = engine.EMPTY_CHAIN_DIGEST;
  for (const [at, batch] of batches.entries()) {
    await api.sendBatch(run, at + 1, batch.body);
    digest = engine.nextChainDigest(digest, batch.digest);
  }
  return {
    batches: batches.length,
    changes: batches.reduce((sum, batch) => sum + batch.changes, 0),
    digest: digest.toString('hex'),
    outcome: 'succeeded',
    files: 1,
    directories: 1,
    logicalBytes: contentAt(0).size,
    readBytes: 0,
    unsavedCount: 0,
  };
}
