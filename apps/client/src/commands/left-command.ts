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
    // An agent that a command started is marked like the command.
    const ownGroup = groupOf(process.pid);
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const found = processesWith(`${VARIABLE}=${inFlight.commandId}`);
      if (found.length === 0) break;
      for (const { pid, group } of found) {
        killed.add(pid);
        // The group too: what cleared its environment is in it still.
        if (group !== ownGroup) kill(-group);
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
      const [state] = fieldsOf(stat);
      return state === 'Z' || state === 'X' ? [] : [{ pid, group: groupIn(stat) }];
    } catch {
      // It has ended, or is another user's: not one that we started.
      return [];
    }
  });
}

/** Fields after the command's name, which may hold anything (proc(5)): state, parent, process group. */
function fieldsOf(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

function groupIn(stat: string): number {
  return Number(fieldsOf(stat)[2]);
}

/** 0: it cannot be told, and is nobody's. */
function groupOf(pid: number): number {
  try {
    return groupIn(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return 0;
  }
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
