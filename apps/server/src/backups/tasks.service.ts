import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { NAME, type TaskAnswer } from '#common';
import { Database } from '../database/database';
import { DomainError } from '../http/domain-error';
import { assertNewName } from '../http/new-name';
import { TasksRepository, type TaskRow } from './tasks.repository';

/** What people may make, and an agent, too. */
export const MAX_TASKS_PER_CLIENT = 500;

/** Tasks of a client: what it backs up, each with one line of runs. */
@Injectable()
export class TasksService {
  constructor(
    private readonly database: Database,
    private readonly tasks: TasksRepository,
  ) {}

  /** The client's task of that name, made when there is none. Idempotent; two calls at once get the same task. */
  async openTask(clientNo: number, name: string): Promise<TaskAnswer> {
    if (!NAME.test(name)) {
      throw new DomainError('invalid', 'A task name has 1 to 128 characters, none of them a control character');
    }
    const found = await this.database.read((sql) => this.tasks.findByName(sql, clientNo, name));
    if (found !== undefined) return answerOf(found);
    assertNewName(name);
    return answerOf(await this.create(clientNo, name));
  }

  private create(clientNo: number, name: string): Promise<TaskRow> {
    const id = randomUUID();
    return this.database.write('tasks.create', async (tx) => {
      if ((await this.tasks.countOfClient(tx, clientNo)) >= MAX_TASKS_PER_CLIENT) {
        throw new DomainError('conflict', `The client has ${MAX_TASKS_PER_CLIENT} tasks already.`);
      }
      await this.tasks.insert(tx, { id, clientNo, name, now: await tx.now() });
      await tx.notify('config', 'tasks');
      // A second statement: whoever was faster has committed, or the insert would have waited for him.
      const task = await this.tasks.findByName(tx, clientNo, name);
      if (task === undefined) throw new Error(`task ${name} of client ${clientNo} was neither found nor made`);
      return task;
    });
  }
}

function answerOf(task: TaskRow): TaskAnswer {
  return { id: task.taskId, name: task.name, head: task.head, generation: task.generation };
}
