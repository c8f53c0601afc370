import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { once } from 'node:events';
import { machine } from './judge';

const MIB = 1024 * 1024;

function touch(path: string | Buffer, when: string): void {
  execFileSync('touch', ['-h', '-d', when, path as string]);
}

/** Builds what a backup must carry: every kind of file, odd names, odd times, links, holes, attributes. */
export async function buildOddTree(root: string): Promise<{ close: () => Promise<void> }> {
  const at = (...names: string[]): string => join(root, ...names);
  const raw = (bytes: Buffer): Buffer => Buffer.concat([Buffer.from(`${root}/`), bytes]);
  mkdirSync(at('empty directory'), { recursive: true });
  mkdirSync(at('files'));
  writeFileSync(at('files', 'empty'), '');
  writeFileSync(at('files', 'one byte'), 'x');
  writeFileSync(at('files', 'small'), 'hello\n');
  writeFileSync(at('files', 'exactly 256 KiB'), randomBytes(256 * 1024));
  writeFileSync(at('files', 'one more than 256 KiB'), randomBytes(256 * 1024 + 1));
  writeFileSync(at('files', 'large'), randomBytes(20 * MIB));
  writeFileSync(at('files', 'twice'), Buffer.concat([Buffer.alloc(3 * MIB, 'ab'), Buffer.alloc(3 * MIB, 'ab')]));
  mkdirSync(at('many'));
  for (let index = 0; index < 700; index += 1) writeFileSync(at('many', `file ${index}`), `content of ${index}\n`);

  mkdirSync(at('names'));
  writeFileSync(at('names', 'new\nline'), 'n');
  writeFileSync(at('names', 'tab\tand \u001b[31mcolour'), 'c');
  writeFileSync(at('names', ' leading and trailing '), 's');
  writeFileSync(at('names', '-rf'), 'd');
  writeFileSync(at('names', '*?[a]{b}\\$(x)`y`"\''), 'g');
  writeFileSync(at('names', 'ünïcödé 日本 🎈'), 'u');
  writeFileSync(at('names', 'e\u0301 decomposed'), 'u');
  writeFileSync(at('names', 'x'.repeat(255)), 'l');
  writeFileSync(raw(Buffer.from([0x6e, 0x61, 0x6d, 0x65, 0x73, 0x2f, 0xff, 0xfe, 0x80, 0x41])), 'not UTF-8');
  symlinkSync(Buffer.from([0xc3, 0x28, 0x2f, 0xff]), raw(Buffer.from('names/link to a name that is not UTF-8')));

  mkdirSync(at('links'));
  symlinkSync('nowhere/at/all', at('links', 'dangling'));
  symlinkSync('loop', at('links', 'loop'));
  symlinkSync('/etc/hostname', at('links', 'to outside'));
  symlinkSync('../files', at('links', 'to a directory'));
  symlinkSync('y'.repeat(4000), at('links', 'long'));
  writeFileSync(at('links', 'first name'), 'shared by three names');
  linkSync(at('links', 'first name'), at('links', 'second name'));
  linkSync(at('links', 'first name'), at('files', 'third name'));
  execFileSync('ln', ['-P', at('links', 'dangling'), at('links', 'hard link of a symlink')]);
  writeFileSync(at('links', 'empty a'), '');
  linkSync(at('links', 'empty a'), at('links', 'empty b'));

  mkdirSync(at('sparse'));
  const sparse = openSync(at('sparse', 'holes'), 'w');
  writeSync(sparse, randomBytes(5000), 0, 5000, 10 * MIB);
  writeSync(sparse, 'end', 40 * MIB);
  ftruncateSync(sparse, 64 * MIB);
  closeSync(sparse);
  const hole = openSync(at('sparse', 'only a hole'), 'w');
  ftruncateSync(hole, 512 * MIB);
  closeSync(hole);

  mkdirSync(at('modes'));
  for (const mode of [0o000, 0o400, 0o644, 0o755, 0o4755, 0o2755, 0o6711, 0o1644]) {
    writeFileSync(at('modes', mode.toString(8)), mode.toString(8));
    chmodSync(at('modes', mode.toString(8)), mode);
  }
  mkdirSync(at('modes', 'sticky'));
  chmodSync(at('modes', 'sticky'), 0o1777);
  mkdirSync(at('modes', 'read-only directory'));
  writeFileSync(at('modes', 'read-only directory', 'inside'), 'i');
  chmodSync(at('modes', 'read-only directory'), 0o555);

  mkdirSync(at('special'));
  execFileSync('mkfifo', [at('special', 'fifo')]);
  if (machine.isRoot) {
    execFileSync('mknod', [at('special', 'character'), 'c', '1', '3']);
    execFileSync('mknod', [at('special', 'block'), 'b', '7', '200']);
    writeFileSync(at('special', 'owned'), 'o');
    chownSync(at('special', 'owned'), 12345, 54321);
    execFileSync('chown', ['-h', '4000000000:17', at('links', 'to outside')]);
  }
  const socket = createServer();
  socket.listen(at('special', 'socket'));
  await once(socket, 'listening');

  let deep = root;
  for (let level = 0; level < 150; level += 1) deep = join(deep, `level ${level}`);
  mkdirSync(deep, { recursive: true });
  writeFileSync(join(deep, 'bottom'), 'deep');

  mkdirSync(at('times'));
  for (const [name, when] of [
    ['before 1970', '1955-03-01 10:11:12.123456789'],
    ['epoch', '1970-01-01 00:00:00'],
    ['just before the epoch', '1969-12-31 23:59:59.999999999'],
    ['after 2038', '2100-02-03 04:05:06.000000007'],
    ['nanoseconds', '2024-02-29 12:34:56.987654321'],
  ] as const) {
    writeFileSync(at('times', name), name);
    touch(at('times', name), when);
  }
  symlinkSync('x', at('times', 'link'));
  touch(at('times', 'link'), '2001-09-09 01:46:40.111222333');
  touch(at('empty directory'), '1999-12-31 23:59:59.5');

  if (machine.hasXattr) {
    writeFileSync(at('xattrs'), 'x');
    execFileSync('setfattr', ['-n', 'user.comment', '-v', 'hello', at('xattrs')]);
    execFileSync('setfattr', ['-n', 'user.binary', '-v', '0x00ff0a', at('xattrs')]);
    execFileSync('setfattr', ['-n', 'user.empty', at('xattrs')]);
    execFileSync('setfattr', ['-n', 'user.large', '-v', `0x${randomBytes(3500).toString('hex')}`, at('xattrs')]);
    execFileSync('setfattr', ['-n', 'user.on-directory', '-v', 'd', at('empty directory')]);
    touch(at('empty directory'), '1999-12-31 23:59:59.5');
    if (machine.isRoot) execFileSync('setfattr', ['-h', '-n', 'trusted.on-link', '-v', 'l', at('links', 'dangling')]);
  }
  if (machine.hasAcl) {
    writeFileSync(at('acl'), 'a');
    execFileSync('setfacl', ['-m', 'u:12:rwx,g:34:r', at('acl')]);
    mkdirSync(at('acl directory'));
    execFileSync('setfacl', ['-d', '-m', 'u:12:rwx', at('acl directory')]);
  }
  return { close: () => closeServer(socket) };
}

async function closeServer(server: Server): Promise<void> {
  server.close();
  await once(server, 'close');
}
