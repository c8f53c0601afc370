/** A tree of paths, in walk order, as arrays: node 0 is the root. */
export class Tree {
  parents = [];
  names = [];
  /** Nodes that are files. */
  files = [];

  get size() {
    return this.names.length;
  }

  /** Paths of the node's ancestors are built anew each time: asked for a few nodes only. */
  pathOf(node) {
    if (node === 0) return '/';
    const parent = this.pathOf(this.parents[node]);
    return parent === '/' ? `/${this.names[node]}` : `${parent}/${this.names[node]}`;
  }

  add(parent, name) {
    this.parents.push(parent);
    this.names.push(name);
    return this.size - 1;
  }

  addFile(parent, name) {
    this.files.push(this.add(parent, name));
  }
}

const FILES_PER_DIRECTORY = 16;
const DIRECTORIES_PER_LEVEL = 25;
const EXTENSIONS = ['txt', 'jpg', 'pdf', 'ts', 'html', 'md', 'json', 'eml'];
const number = (value, digits) => String(value).padStart(digits, '0');

/**
 * `/srv/archive` with `bigFiles` entries, and `/srv/projects/pNNNN/section-NN/topic-NN` with 16 files each until there are
 * `files` in all. Names of one directory ascend, so nodes stand in walk order.
 */
export function makeTree({ files, bigFiles }) {
  const tree = new Tree();
  const srv = tree.add(tree.add(-1, ''), 'srv');
  if (bigFiles > 0) {
    const archive = tree.add(srv, 'archive');
    for (let at = 0; at < bigFiles; at += 1) tree.addFile(archive, `scan-${number(at, 6)}-original.tiff`);
  }
  const projects = tree.add(srv, 'projects');
  let project = projects;
  let section = projects;
  for (let topic = 0; tree.files.length < files; topic += 1) {
    if (topic % DIRECTORIES_PER_LEVEL ** 2 === 0)
      project = tree.add(projects, `p${number(topic / DIRECTORIES_PER_LEVEL ** 2, 5)}`);
    if (topic % DIRECTORIES_PER_LEVEL === 0)
      section = tree.add(project, `section-${number((topic / DIRECTORIES_PER_LEVEL) % DIRECTORIES_PER_LEVEL, 2)}`);
    const directory = tree.add(section, `topic-${number(topic % DIRECTORIES_PER_LEVEL, 2)}`);
    for (let at = 0; at < FILES_PER_DIRECTORY && tree.files.length < files; at += 1)
      tree.addFile(directory, `document-${number(at, 3)}.${EXTENSIONS[(topic + at) % EXTENSIONS.length]}`);
  }
  return tree;
}

/** One block of files in five changes all the time, as projects do that people work on; the rest now and then. */
const HOT_BLOCK = FILES_PER_DIRECTORY * DIRECTORIES_PER_LEVEL;
const HOT_ONE_IN = 5;
const HOT_SHARE = 0.9;
const STRIDES = [7, 11, 13, 17];

/** Which files run after run changes: `count` different nodes, most of them hot ones. */
export class Changes {
  constructor(tree) {
    this.hot = [];
    this.cold = [];
    for (const [at, node] of tree.files.entries())
      (Math.floor(at / HOT_BLOCK) % HOT_ONE_IN === 0 ? this.hot : this.cold).push(node);
  }

  of(run, count) {
    const hotCount = Math.min(this.hot.length, Math.round(count * HOT_SHARE));
    const coldCount = Math.min(this.cold.length, count - hotCount);
    // In walk order, as an agent sends them.
    return [...pick(this.hot, run, hotCount), ...pick(this.cold, run, coldCount)].sort((a, b) => a - b);
  }
}

function pick(nodes, run, count) {
  const stride = STRIDES.find((step) => nodes.length % step !== 0) ?? 1;
  const start = (run * 104_729) % Math.max(1, nodes.length);
  return Array.from({ length: count }, (_, at) => nodes[(start + at * stride) % nodes.length]);
}

/** The tasks of one client: most versions in the first, which has a directory of 100,000 entries in its full size. */
export function taskShapes(versions) {
  const share = (part) => Math.max(1, Math.round(versions * part));
  return [
    { name: 'documents', files: share(0.1), bigFiles: share(0.01), versions: share(0.8), runs: 100 },
    { name: 'mail', files: share(0.02), bigFiles: 0, versions: share(0.1), runs: 50 },
    { name: 'system', files: share(0.02), bigFiles: 0, versions: share(0.1), runs: 50 },
  ];
}
