import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import fs, { closeSync, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nativeCalls } from '../system/native-calls';
import { identifyProcess, isProcessAlive } from './process-identity';
import { TaskBusyError, TaskLock } from './task-lock';

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'holdfast-lock-'));
  path = join(directory, 'lock');
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

describe('the lock of a task', () => {
  it('is held by one at a time, and free after its release', () => {
    const lock = TaskLock.acquire(path, 'cli');
    expect(() => TaskLock.acquire(path, 'cli')).toThrow(TaskBusyError);
    expect(() => TaskLock.acquire(path, 'cli')).toThrow(new RegExp(`process ${process.pid}`));
    lock.release();
    TaskLock.acquire(path, 'cli').release();
    expect(readdirSync(directory)).toEqual([]);
  });

  it('leaves nothing behind when the disk is full', () => {
    // As a full disk does it: the file is there, its content is not.
    const full = jest.spyOn(fs, 'writeFileSync').mockImplementation((file) => {
      closeSync(openSync(file as string, 'w'));
      throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
    });
    try {
      expect(() => TaskLock.acquire(path, 'cli')).toThrow(/ENOSPC/);
    } finally {
      full.mockRestore();
    }
    expect(readdirSync(directory)).toEqual([]);
  });

  it('is not taken from a process that lives', async () => {
    const child = spawn('sleep', ['60']);
    try {
      writeFileSync(path, JSON.stringify({ ...identifyProcess(child.pid ?? 0), nonce: 'x' }));
      expect(() => TaskLock.acquire(path, 'cli')).toThrow(TaskBusyError);
    } finally {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    TaskLock.acquire(path, 'cli').release();
  });

  it('is taken from a process whose number another one has by now', () => {
    writeFileSync(path, JSON.stringify({ pid: process.pid, startedAt: 'another boot:1', nonce: 'x' }));
    TaskLock.acquire(path, 'cli').release();
  });

  it('is not taken from a process that cannot be seen, as in another container, while that holds it', () => {
    writeFileSync(path, JSON.stringify({ pid: 1, startedAt: 'unseen:1', nonce: 'x' }));
    const fd = openSync(path, 'r');
    nativeCalls()!.lockFile(fd);
    expect(() => TaskLock.acquire(path, 'cli')).toThrow(TaskBusyError);
    closeSync(fd);
    TaskLock.acquire(path, 'cli').release();
    expect(readdirSync(directory)).toEqual([]);
  });

  it('is held as that by who took it', () => {
    const lock = TaskLock.acquire(path, 'cli');
    const fd = openSync(path, 'r');
    expect(nativeCalls()!.lockFile(fd)).toBe(false);
    lock.release();
    expect(nativeCalls()!.lockFile(fd)).toBe(true);
    closeSync(fd);
  });

  it('is taken when it is damaged', () => {
    writeFileSync(path, 'nonsense');
    TaskLock.acquire(path, 'cli').release();
  });

  it('does not release what another one holds by now', () => {
    const lock = TaskLock.acquire(path, 'cli');
    writeFileSync(path, JSON.stringify({ ...identifyProcess(process.pid), nonce: 'another' }));
    lock.release();
    expect(() => TaskLock.acquire(path, 'cli')).toThrow(TaskBusyError);
  });

  it('is taken when the process that was taking it over died too', () => {
    const dead = JSON.stringify({ pid: 1, startedAt: 'gone:1', nonce: 'x' });
    writeFileSync(path, dead);
    const claim = `${path}.claim-${createHash('sha256').update(dead).digest('hex').slice(0, 16)}`;
    writeFileSync(claim, JSON.stringify({ pid: 1, startedAt: 'gone:2', nonce: 'y' }));
    TaskLock.acquire(path, 'cli').release();
    expect(readdirSync(directory)).toEqual([]);
  });
});

describe('a process', () => {
  it('is told apart from a later one of its number', () => {
    const self = identifyProcess(process.pid);
    expect(isProcessAlive(self)).toBe(true);
    expect(isProcessAlive({ ...self, startedAt: `${self.startedAt ?? ''}1` })).toBe(false);
  });
});
