import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type {
  ChangeTaskRequest,
  CreateTaskRequest,
  TaskAnswer,
  TaskConfig,
  TaskDefinition,
  TaskDefinitionFields,
  TaskDetail,
} from '#common';
import { actorOf, agentActor, type Actor } from '../audit/actor';
import { AuditService } from '../audit/audit.service';
import type { AgentIdentity } from '../auth/agent-identity';
import { FreshSignIn } from '../auth/fresh-sign-in';
import { mayByRole } from '../auth/role-matrix';
import { toldByAgent } from '../clients/client-ping.service';
import { ClientSignals } from '../clients/client-signals';
import { SettledConfig } from '../config-export/settled-config';
import { ServerSettings } from '../config/server-settings';
import { Database } from '../database/database';
import type { Sql } from '../database/sql';
import { DomainError } from '../http/domain-error';
import { assertNewName } from '../http/new-name';
import { ProtectWindow } from '../retention/protect-window';
import { ownerBoundOf, type PersonIdentity } from '../users/person-identity';
import { assertAllowed, assertNotTooOften, defineTask, definitionChanges, hasCommands } from './task-definition';
import { type DefinedTask, type DefinitionRow, TaskDefinitionsRepository } from './task-definitions.repository';
import { dueFrom } from './due-from';
import { definitionOf, taskDetail, taskDetails } from './task-detail';
import { MAX_TASKS_PER_CLIENT } from './tasks.service';

export type { DefinedTask };

/** The client that a task is made for. */
interface TaskClient {
  readonly no: number;
  readonly id: string;
  readonly told: string | null;
}

/** What a change rests on. */
@Injectable()
export class TaskDefinitionRules {
  constructor(
    readonly freshSignIn: FreshSignIn,
    readonly signals: ClientSignals,
    readonly audit: AuditService,
    readonly settings: ServerSettings,
    readonly config: SettledConfig,
    readonly window: ProtectWindow,
  ) {}
}

/** What clients back up and when, as people define it and agents tell it. */
@Injectable()
export class TaskDefinitionsService {
  constructor(
    private readonly database: Database,
    private readonly tasks: TaskDefinitionsRepository,
    private readonly rules: TaskDefinitionRules,
  ) {}

  /** By right: a user's own. Another's is `not-found`. */
  async find(person: PersonIdentity, taskId: string): Promise<DefinedTask> {
    const task = await this.database.read((sql) => this.tasks.find(sql, taskId, ownerBoundOf(person)));
    if (task === undefined) throw noTask(taskId);
    return task;
  }

  async get(person: PersonIdentity, taskId: string): Promise<TaskDetail> {
    return taskDetail(await this.find(person, taskId), await this.detailRules(person));
  }

  async listOfClient(person: PersonIdentity, clientNo: number): Promise<TaskDetail[]> {
    const tasks = await this.database.read((sql) => this.tasks.listOfClient(sql, clientNo));
    return taskDetails(tasks, await this.detailRules(person));
  }

  /** Of some hundreds of clients that the person may know of, those left out that are deleted. */
  async listOfClients(person: PersonIdentity, clientNumbers: readonly number[]): Promise<TaskDetail[]> {
    const tasks = await this.database.read((sql) => this.tasks.listOfClients(sql, clientNumbers));
    return taskDetails(tasks, await this.detailRules(person));
  }

  /** Some hundreds that the person may know of, by their numbers. */
  async listOf(person: PersonIdentity, numbers: readonly number[]): Promise<ReadonlyMap<number, TaskDetail>> {
    const tasks = await this.database.read((sql) => this.tasks.listOf(sql, numbers));
    const rules = await this.detailRules(person);
    return new Map(tasks.map((task) => [task.no, taskDetail(task, rules)]));
  }

  /** Throws `name-taken`, and `invalid` for paths that the agent does not allow. */
  async create(person: PersonIdentity, client: TaskClient, request: CreateTaskRequest): Promise<TaskDetail> {
    const { rules } = this;
    const definition = defineTask(null, request);
    assertNotTooOften(definition.schedule);
    if (hasCommands(definition)) rules.freshSignIn.assertMayChangeCommands(person);
    assertAllowedBy(client, definition);
    const id = randomUUID();
    const name = request.name.normalize('NFC');
    assertNewName(name);
    await this.database.write('tasks.change', async (tx) => {
      if ((await this.tasks.listOfClient(tx, client.no)).length >= MAX_TASKS_PER_CLIENT) {
        throw new DomainError('conflict', `The client has ${MAX_TASKS_PER_CLIENT} tasks already.`);
      }
      const row = rowOf({ name, origin: 'server', definition }, { now: await tx.now() });
      if (!(await this.tasks.insert(tx, { id, clientNo: client.no, ...row }))) throw nameTaken();
      await rules.signals.tell(tx, client.no, 'config');
      const details = { clientId: client.id, ...definitionChanges(null, definition) };
      await this.record(tx, actorOf(person), { action: 'tasks.create', id, name, details });
    });
    return this.get(person, id);
  }

  /** Throws `conflict` for a task of the agent's own settings: those are changed there. */
  async change(
    person: PersonIdentity,
    { taskId, client, request }: { taskId: string; client: TaskClient; request: ChangeTaskRequest },
  ): Promise<TaskDetail> {
    await this.write(person, taskId, async (tx, task) => {
      if (task.origin === 'agent') {
        throw new DomainError('conflict', "This task comes from the agent's own settings; change it there.");
      }
      if (task.deletedAt !== null) throw new DomainError('conflict', 'This task is deleted; bring it back first.');
      const before = definitionOf(task);
      const after = defineTask(before, request);
      const changes = definitionChanges(before, after);
      if ('schedule' in changes) assertNotTooOften(after.schedule);
      if ('preCommands' in changes || 'postCommands' in changes) this.rules.freshSignIn.assertMayChangeCommands(person);
      if ('paths' in changes) assertAllowedBy(client, after);
      const name = request.name?.normalize('NFC') ?? task.name;
      if (name !== task.name) assertNewName(name);
      const namesake = await this.tasks.findByName(tx, task.clientNo, name);
      if (namesake !== undefined && namesake.no !== task.no) throw nameTaken();
      const isRescheduled = 'schedule' in changes || 'isEnabled' in changes;
      await this.tasks.change(
        tx,
        task.no,
        rowOf(
          { name, origin: 'server', definition: after },
          {
            now: await tx.now(),
            ...(isRescheduled ? {} : { scheduledSince: task.scheduledSince }),
            lastGoodMs: task.headEndedAt,
          },
        ),
      );
      const renamed = name === task.name ? {} : { name: { from: task.name, to: name } };
      return { action: 'tasks.change', details: { ...renamed, ...changes } };
    });
    return this.get(person, taskId);
  }

  /** Hides the task with its backups; it can be brought back until PROTECT_DAYS have passed. */
  async remove(person: PersonIdentity, taskId: string): Promise<TaskDetail> {
    await this.write(person, taskId, async (tx, task) => {
      if (task.deletedAt !== null) return null;
      const deletedAt = await tx.now();
      const purgeAfter = await this.rules.window.protectsUntil(tx, deletedAt);
      await this.tasks.hide(tx, task.no, { deletedAt, purgeAfter });
      return { action: 'tasks.delete', details: { purgeAfterMs: purgeAfter } };
    });
    await this.rules.config.settle();
    return this.get(person, taskId);
  }

  async restore(person: PersonIdentity, taskId: string): Promise<TaskDetail> {
    await this.write(person, taskId, async (tx, task) => {
      if (task.deletedAt === null) return null;
      const definition = definitionOf(task);
      if (definition !== null && hasCommands(definition)) this.rules.freshSignIn.assertMayChangeCommands(person);
      const until = Math.max(task.purgeAfter ?? 0, await this.rules.window.protectsUntil(tx, task.deletedAt));
      if (until < (await tx.now())) {
        throw new DomainError('conflict', 'The time in which this task could be brought back is over.');
      }
      await this.tasks.unhide(tx, task.no);
      return { action: 'tasks.restore', details: {} };
    });
    return this.get(person, taskId);
  }

  /** The task of the agent's own settings; `null`: they make it no more. Throws `name-taken` for a name of the server's. */
  async openOwn(agent: AgentIdentity, name: string, fields: TaskDefinitionFields | null): Promise<TaskAnswer> {
    const definition = fields === null ? null : defineTask(null, fields);
    return this.database.write('tasks.change', async (tx) => {
      const found = await this.tasks.findByName(tx, agent.clientNo, name);
      if (found?.origin === 'server') {
        throw new DomainError('name-taken', 'The server has a task of this name for the client; choose another one.');
      }
      const before = found === undefined ? null : definitionOf(found);
      const isRescheduled = JSON.stringify(before?.schedule) !== JSON.stringify(definition?.schedule);
      const row = rowOf(
        { name, origin: 'agent', definition },
        {
          now: await tx.now(),
          lastGoodMs: found?.headEndedAt ?? null,
          ...(found === undefined || isRescheduled ? {} : { scheduledSince: found.scheduledSince }),
        },
      );
      if (found === undefined) {
        assertNewName(name);
        await this.tasks.insert(tx, { id: randomUUID(), clientNo: agent.clientNo, ...row });
      } else {
        await this.tasks.lock(tx, found.no);
        const isSame = found.origin === 'agent' && found.definition === row.definition && found.deletedAt === null;
        if (!isSame) {
          await this.tasks.change(tx, found.no, row);
          // The agent's own settings decide: a task that they make is not a deleted one.
          if (found.deletedAt !== null) await this.tasks.unhide(tx, found.no);
        }
      }
      const task = await this.tasks.findByName(tx, agent.clientNo, name);
      if (task === undefined) throw new Error(`task ${name} of client ${agent.clientNo} was neither found nor made`);
      if (found?.definition !== row.definition) {
        const details =
          definition === null
            ? { definition: null }
            : definitionChanges(found ? definitionOf(found) : null, definition);
        await this.record(tx, agentActor(agent), { action: 'tasks.agent-settings', id: task.id, name, details });
      }
      const generation = await this.tasks.generationOf(tx, task.no);
      return { id: task.id, name: task.name, head: task.head, generation };
    });
  }

  /** The server's tasks of a client, for its agent. */
  async configOf(sql: Sql, clientNo: number): Promise<TaskConfig[]> {
    const tasks = await this.tasks.listOfClient(sql, clientNo);
    return tasks.flatMap((task): TaskConfig[] => {
      const definition = definitionOf(task);
      if (task.origin !== 'server' || task.deletedAt !== null || definition === null) return [];
      return [{ id: task.id, name: task.name, definition, scheduledSinceMs: task.scheduledSince }];
    });
  }

  /** When the agent will run which task, as it told. */
  setNextDue(tx: Sql, clientNo: number, due: readonly { taskId: string; nextDueMs?: number | null }[]): Promise<void> {
    return this.tasks.setNextDue(
      tx,
      clientNo,
      due.map(({ taskId, nextDueMs }) => ({ taskId, nextDueMs: nextDueMs ?? null })),
    );
  }

  private async detailRules(person: PersonIdentity): Promise<Parameters<typeof taskDetail>[1]> {
    const { lateGraceMs: graceMs } = this.rules.settings;
    return {
      nowMs: await this.database.now(),
      graceMs,
      withDefinition: mayByRole(person.role, 'see-details'),
    };
  }

  private async write(
    person: PersonIdentity,
    taskId: string,
    work: (tx: Sql, task: DefinedTask) => Promise<{ action: string; details: Record<string, unknown> } | null>,
  ): Promise<void> {
    await this.database.write('tasks.change', async (tx) => {
      const found = await this.tasks.find(tx, taskId, ownerBoundOf(person));
      if (found === undefined) throw noTask(taskId);
      await this.tasks.lock(tx, found.no);
      // Read again under the lock: another change may have come first.
      const task = (await this.tasks.find(tx, taskId, ownerBoundOf(person))) ?? found;
      const change = await work(tx, task);
      if (change === null) return;
      await this.rules.signals.tell(tx, task.clientNo, 'config');
      await this.record(tx, actorOf(person), { ...change, id: task.id, name: task.name });
    });
  }

  private record(
    tx: Sql,
    actor: Actor,
    { action, id, name, details }: { action: string; id: string; name: string; details: Record<string, unknown> },
  ): Promise<void> {
    return this.rules.audit.record(tx, actor, { action, target: { kind: 'task', id, name }, details });
  }
}

/** `scheduledSince`: of a schedule that stays as it was. */
function rowOf(
  task: Pick<DefinitionRow, 'name' | 'origin'> & { definition: TaskDefinition | null },
  times: { now: number; scheduledSince?: number; lastGoodMs?: number | null },
): DefinitionRow {
  const { name, origin } = task;
  const schedule = task.definition?.schedule ?? null;
  const definition = task.definition === null ? null : JSON.stringify(task.definition);
  const scheduledSince = times.scheduledSince ?? (schedule === null ? 0 : times.now);
  const due = dueFrom({ definition, scheduledSince, lastGoodMs: times.lastGoodMs ?? null });
  return { name, origin, definition, scheduledSince, dueFrom: due, timeZone: schedule?.timeZone ?? null };
}

function assertAllowedBy(client: TaskClient, definition: TaskDefinition): void {
  const told = toldByAgent(client.told);
  // An agent that never pinged says at its first one what it refuses.
  if (told !== null) assertAllowed(definition.paths, told.grants.allowedPaths);
}

function noTask(taskId: string): DomainError {
  return new DomainError('not-found', `There is no task ${taskId}`);
}

function nameTaken(): DomainError {
  return new DomainError('name-taken', 'The client has, or had, a task of this name already; choose another one.');
}
