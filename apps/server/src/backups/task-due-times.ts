import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { Database } from '../database/database';
import { dueFrom } from './due-from';
import { countRunSums, uncountedTasks } from './run-sums';
import { TaskDefinitionsRepository } from './task-definitions.repository';

/** A clock that is ahead by less tells of nothing. */
const AHEAD_MS = 60_000;
const AHEAD_EVERY_MS = 15 * 60_000;
/** In one look: their due times take some ten milliseconds. */
const SLICE_TASKS = 100;

/** Writes, once, what tasks' rows do not say of themselves yet: from before they did, or brought back without it. */
@Injectable()
export class TaskDueTimes implements OnApplicationBootstrap {
  private readonly logger = new Logger(TaskDueTimes.name);

  constructor(
    private readonly database: Database,
    private readonly tasks: TaskDefinitionsRepository,
  ) {}

  /** Before the server serves: three looks, or some seconds once for ten thousand tasks. Without it they are only not told to be late. */
  async onApplicationBootstrap(): Promise<void> {
    try {
      await this.fill();
    } catch (error) {
      this.logger.error(`What became of tasks, and when they are due, could not be written down: ${String(error)}`);
    }
  }

  @Interval(AHEAD_EVERY_MS)
  async tick(): Promise<void> {
    try {
      await this.mendAhead();
    } catch (error) {
      this.logger.error(`Tasks whose times are ahead of the clock could not be looked after: ${String(error)}`);
    }
  }

  /**
   * After a clock that was ahead was put right, tasks would be late only when the time that it told has come. They count from now on
   * instead, once: what tells them apart is that they are due as their times say.
   */
  async mendAhead(): Promise<void> {
    const nowMs = await this.database.now();
    for (let after = 0, found = SLICE_TASKS; found === SLICE_TASKS;) {
      const page = { after, limit: SLICE_TASKS };
      const tasks = await this.database.read((sql) => this.tasks.listAhead(sql, nowMs + AHEAD_MS, page));
      const due = tasks.flatMap((task) => {
        const told = dueFrom({ ...task, lastGoodMs: task.headEndedAt });
        const at = dueFrom({
          ...task,
          scheduledSince: Math.min(task.scheduledSince, nowMs),
          lastGoodMs: task.headEndedAt === null ? null : Math.min(task.headEndedAt, nowMs),
        });
        return at !== null && told === task.dueFrom ? [{ task, at }] : [];
      });
      if (due.length > 0) {
        await this.database.write('tasks.change', async (tx) => {
          for (const { task, at } of due) await this.tasks.setDueFrom(tx, task, at);
        });
      }
      found = tasks.length;
      after = tasks.at(-1)?.no ?? after;
    }
  }

  async fill(): Promise<void> {
    if (await this.database.read((sql) => this.tasks.lacksOutcomes(sql))) {
      await this.database.write('tasks.change', (tx) => this.tasks.fillOutcomes(tx));
    }
    for (;;) {
      const tasks = await this.database.read((sql) => uncountedTasks(sql, SLICE_TASKS));
      if (tasks.length === 0) break;
      await this.database.write('tasks.change', (tx) => countRunSums(tx, tasks));
    }
    for (let after = 0, found = SLICE_TASKS; found === SLICE_TASKS;) {
      const tasks = await this.database.read((sql) => this.tasks.listUndue(sql, { after, limit: SLICE_TASKS }));
      const due = tasks.flatMap((task) => {
        const at = dueFrom({ ...task, lastGoodMs: task.headEndedAt });
        return at === null ? [] : [{ task, at }];
      });
      if (due.length > 0) {
        await this.database.write('tasks.change', async (tx) => {
          for (const { task, at } of due) await this.tasks.setDueFrom(tx, task, at);
        });
      }
      found = tasks.length;
      after = tasks.at(-1)?.no ?? after;
    }
  }
}
