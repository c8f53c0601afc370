import { readFileSync, statfsSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';

/** What the figures depend on besides the programs. */
export function machineFacts(folder) {
  const system = readOr('/etc/os-release', '').match(/^PRETTY_NAME="?([^"\n]*)/m)?.[1] ?? process.platform;
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    system,
    kernel: release(),
    fileSystem: fileSystemOf(folder),
    /** Others' work shows here: near 0 on a quiet machine. */
    loadBefore: loadavg()[0],
  };
}

export function freeBytes(folder) {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

/** Type and options of the mount that holds the folder. */
function fileSystemOf(folder) {
  const mounts = readOr('/proc/mounts', '')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, path]) => path !== undefined && `${folder}/`.startsWith(path === '/' ? '/' : `${path}/`))
    .sort(([, a], [, b]) => a.length - b.length);
  const last = mounts.at(-1);
  return last === undefined ? 'unknown' : `${last[2]} (${last[3]})`;
}

function readOr(path, otherwise) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return otherwise;
  }
}
