import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { Database } from '../database/database';
import { dueFrom } from './due-from';
import { countRunSums, uncountedTasks } from './run-sums';
import { TaskDefinitionsRepository } from './task-definitions.repository';

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
