import { readdirSync, readFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import type { JsonFile } from '../state/json-file';

/** What a command's processes carry in their environment, so that they are found whatever became of their parent. */
const VARIABLE = 'HOLDFAST_COMMAND_ID';
/** What is killed may have started others meanwhile; a crowd that grows faster than this is not ours to end. */
const MAX_ROUNDS = 20;

/** The command that runs at present, as the next agent must know it when this one is killed. */
export interface CommandInFlight {
  readonly commandId: string;
}

/**
 * Commands survive an agent that gets SIGKILL: nobody is left to end their process group. So each is written down before it
 * starts, and its processes carry its id; the next agent ends what is left of it before it does anything else (Linux).
 */
export class LeftCommand {
  constructor(private readonly file: JsonFile<CommandInFlight>) {}

  /** Before a command starts: what its environment needs. */
  begin(): Record<string, string> {
    const commandId = randomUUID();
    this.file.save({ commandId });
    return { [VARIABLE]: commandId };
  }

  /** Its process group has ended. */
  end(): void {
    this.file.remove();
  }

  /** Kills what an agent before this one left running; returns how many processes that were. */
  endLeft(): number {
    const inFlight = this.file.load();
    if (inFlight === null) return 0;
    const killed = new Set<number>();
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const found = processesWith(`${VARIABLE}=${inFlight.commandId}`);
      if (found.length === 0) break;
      for (const { pid, group } of found) {
        killed.add(pid);
        // The group too: what cleared its environment is in it still.
        kill(-group);
        kill(pid);
      }
    }
    this.file.remove();
    return killed.size;
  }
}

function processesWith(setting: string): { pid: number; group: number }[] {
  return listProcesses().flatMap((pid) => {
    try {
      if (!readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(setting)) return [];
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      // Fields after the command's name, which may hold anything (proc(5)): state, parent, process group.
      const [state, , group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return state === 'Z' || state === 'X' ? [] : [{ pid, group: Number(group) }];
    } catch {
      // It has ended, or is another user's: not one that we started.
      return [];
    }
  });
}

function listProcesses(): number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => pid !== process.pid);
  } catch {
    return [];
  }
}

function kill(target: number): void {
  try {
    // -1 and 0 would mean everybody, and ourselves.
    if (target < -1 || target > 1) process.kill(target, 'SIGKILL');
  } catch {
    // It was faster.
  }
}
