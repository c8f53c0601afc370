import { Injectable } from '@nestjs/common';
import type { ClientDetail, ClientsAnswer, ClientsQuery, TaskDetail } from '#common';
import { TaskDefinitionsService } from '../backups/task-definitions.service';
import { ClientsService } from '../clients/clients.service';
import { ServerSettings } from '../config/server-settings';
import { Database } from '../database/database';
import { ownerBoundOf, type PersonIdentity } from '../users/person-identity';
import { clientDetail } from './client-detail';
import {
  type ClientTask,
  FleetRepository,
  type FleetFilter,
  type FleetHealth,
  type FleetOrder,
  type FleetScope,
  type NamedClient,
  type WatchedClient,
} from './fleet.repository';

/** Clients whose rows are read in one look. */
const SLICE_CLIENTS = 500;
const PAGE_CLIENTS = 1_000;
const BY_NAME: FleetOrder = { by: 'name', isDown: false };

export type { FleetHealth, NamedClient, WatchedClient };

export interface FleetPage {
  /** Of all pages. */
  readonly count: number;
  /** From 1; a page beyond the last is the last. */
  readonly page: number;
  readonly clients: readonly ClientDetail[];
}

export interface NamedTask {
  readonly task: TaskDetail;
  readonly clientName: string;
}

/** What an overview says of thousands of clients. */
export interface FleetOverview {
  readonly healths: ReadonlyMap<FleetHealth, number>;
  /** Tasks whose last run failed or left something out, the newest first; no more than were asked for. */
  readonly troubled: readonly NamedTask[];
  /** Tasks with a run that waits or goes on. */
  readonly underWay: readonly NamedTask[];
}

/** How the clients are, for who may know of them. */
@Injectable()
export class FleetService {
  constructor(
    private readonly database: Database,
    private readonly clients: ClientsService,
    private readonly tasks: TaskDefinitionsService,
    private readonly fleet: FleetRepository,
    private readonly settings: ServerSettings,
  ) {}

  /** A page of them, by name; deleted ones only when they are asked for. */
  async list(person: PersonIdentity, query: ClientsQuery): Promise<ClientsAnswer> {
    const filter = { state: query.status ?? null, owner: query.owner?.normalize('NFC') ?? null, search: null };
    const scope = await this.scopeOf(person);
    const order = { filter, order: BY_NAME, offset: query.cursor ?? 0, limit: (query.limit ?? PAGE_CLIENTS) + 1 };
    const found = await this.database.read((sql) => this.fleet.page(sql, scope, order));
    // One more than is answered: it tells whether there is another page.
    const numbers = found.slice(0, order.limit - 1);
    const next = found.length > numbers.length ? order.offset + numbers.length : null;
    return { clients: await this.details(person, numbers), next };
  }

  /** A page of a list that may be long. */
  async page(
    person: PersonIdentity,
    { filter, order, page, size }: { filter: FleetFilter; order: FleetOrder; page: number; size: number },
  ): Promise<FleetPage> {
    const scope = await this.scopeOf(person);
    const { count, at, numbers } = await this.database.read(async (sql) => {
      const found = await this.fleet.count(sql, scope, filter);
      const last = Math.max(1, Math.ceil(found / size));
      const shown = Math.min(page, last);
      const part = { filter, order, offset: (shown - 1) * size, limit: size };
      return { count: found, at: shown, numbers: await this.fleet.page(sql, scope, part) };
    });
    return { count, page: at, clients: await this.details(person, numbers) };
  }

  async get(person: PersonIdentity, clientId: string): Promise<ClientDetail> {
    const client = await this.clients.get({ kind: 'person', person }, clientId);
    const tasks = await this.tasks.listOfClient(person, client.no);
    return clientDetail(client, { tasks, nowMs: await this.database.now(), person });
  }

  /** All that are not deleted, in no order. */
  async names(person: PersonIdentity): Promise<NamedClient[]> {
    const scope = await this.scopeOf(person);
    return this.database.read((sql) => this.fleet.names(sql, scope));
  }

  /** Everybody's, all that are not deleted. Others get their turn between slices. */
  async watched(): Promise<WatchedClient[]> {
    const nowMs = await this.database.now();
    const scope: FleetScope = { ownerNo: null, nowMs, lateBeforeMs: nowMs - this.settings.lateGraceMs };
    const all: WatchedClient[] = [];
    for (let afterNo = 0, isLast = false; !isLast;) {
      const page = { afterNo, limit: SLICE_CLIENTS };
      const slice = await this.database.read((sql) => this.fleet.watched(sql, scope, page));
      all.push(...slice);
      afterNo = slice.at(-1)?.no ?? afterNo;
      isLast = slice.length < SLICE_CLIENTS;
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    return all;
  }

  /** Names of those who have clients; for who sees his own only, nobody's. */
  owners(person: PersonIdentity): Promise<string[]> {
    if (ownerBoundOf(person) !== null) return Promise.resolve([]);
    return this.database.read((sql) => this.fleet.owners(sql));
  }

  /** How many clients each user has, by the user's id. */
  countsByOwner(): Promise<ReadonlyMap<string, number>> {
    return this.database.read((sql) => this.fleet.countsByOwner(sql));
  }

  /** `limit`: of each list of tasks. */
  async overview(person: PersonIdentity, limit: number): Promise<FleetOverview> {
    const scope = await this.scopeOf(person);
    const { healths, troubled, underWay } = await this.database.read(async (sql) => ({
      healths: await this.fleet.healths(sql, scope),
      troubled: await this.fleet.troubled(sql, scope, limit),
      underWay: await this.fleet.underWay(sql, scope, limit),
    }));
    return {
      healths,
      troubled: await this.named(person, troubled),
      underWay: await this.named(person, underWay),
    };
  }

  private async scopeOf(person: PersonIdentity): Promise<FleetScope> {
    const nowMs = await this.database.now();
    return { ownerNo: ownerBoundOf(person), nowMs, lateBeforeMs: nowMs - this.settings.lateGraceMs };
  }

  /** In the order that was found. */
  private async named(person: PersonIdentity, found: readonly ClientTask[]): Promise<NamedTask[]> {
    const details = await this.tasks.listOf(
      person,
      found.map(({ taskNo }) => taskNo),
    );
    return found.flatMap(({ taskNo, clientName }) => {
      const task = details.get(taskNo);
      return task === undefined ? [] : [{ task, clientName }];
    });
  }

  /** In the order of the numbers. */
  private async details(person: PersonIdentity, numbers: readonly number[]): Promise<ClientDetail[]> {
    const details: ClientDetail[] = [];
    const nowMs = await this.database.now();
    for (let start = 0; start < numbers.length; start += SLICE_CLIENTS) {
      const slice = numbers.slice(start, start + SLICE_CLIENTS);
      const rows = await this.database.read((sql) => this.clients.listOf(sql, slice));
      const byNumber = new Map(rows.map((row) => [row.no, row]));
      const tasks = await this.tasks.listOfClients(person, slice);
      const tasksOf = Map.groupBy(tasks, ({ clientId }) => clientId);
      for (const no of slice) {
        const client = byNumber.get(no);
        // Gone since its number was read.
        if (client === undefined) continue;
        details.push(clientDetail(client, { tasks: tasksOf.get(client.id) ?? [], nowMs, person }));
      }
    }
    return details;
  }
}
