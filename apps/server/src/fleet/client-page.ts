import { Injectable } from '@nestjs/common';
import { LOG_LEVELS, LogsQuery, type LogLevel } from '#common';
import type { SignedInViewer } from '../auth/current-viewer';
import { mayByRole, type Right } from '../auth/role-matrix';
import { RunHistoryService } from '../backups/run-history.service';
import { TaskDefinitionsService } from '../backups/task-definitions.service';
import { ClientsService } from '../clients/clients.service';
import { Database } from '../database/database';
import { LogsService } from '../logs/logs.service';
import type { FormProblem } from '../pages/form-problem';
import { queryText } from '../pages/list-address';
import { Moments } from '../pages/moments';
import { showPage, type PageAnswer } from '../pages/page';
import { ClientConfigService } from './client-config.service';
import { clientView, commandLines, type ClientForm } from './client.view';
import { FleetService } from './fleet.service';
import { CALENDAR_DAYS } from './run-calendar';

const SHOWN_RUNS = 20;
const SHOWN_LINES = 50;
const DAY_MS = 86_400_000;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Where a client's page reads what happened. */
@Injectable()
export class ClientHistory {
  constructor(
    readonly runs: RunHistoryService,
    readonly tasks: TaskDefinitionsService,
    readonly logs: LogsService,
  ) {}
}

/** The page of a client, with what was wrong with a form of it. */
@Injectable()
export class ClientPage {
  constructor(
    private readonly database: Database,
    private readonly fleet: FleetService,
    private readonly clients: ClientsService,
    private readonly history: ClientHistory,
    private readonly configs: ClientConfigService,
  ) {}

  async show(
    { person, timeZone }: SignedInViewer,
    clientId: string,
    {
      query = {},
      problem = null,
      sent = null,
      preCommands,
    }: {
      query?: Readonly<Record<string, unknown>>;
      problem?: FormProblem | null;
      sent?: ClientForm | null;
      preCommands?: string;
    } = {},
  ): Promise<PageAnswer> {
    const may = (right: Right): boolean => mayByRole(person.role, right);
    const caller = { kind: 'person', person } as const;
    const client = await this.fleet.get(person, clientId);
    const { no } = await this.clients.get(caller, clientId);
    const seesDetails = may('see-details');
    const isThere = client.status !== 'deleted';
    const nowMs = await this.database.now();
    const before = UUID.test(queryText(query['runs'])) ? queryText(query['runs']) : undefined;
    const { runs, next } = await this.history.runs.listRuns(no, before, SHOWN_RUNS);
    const logChoice = { level: levelOf(query['level']), search: queryText(query['search']).slice(0, 200) };
    const view = clientView({
      client,
      tasks: await this.history.tasks.listOfClient(person, no),
      // Errors and the current file name files.
      runs: runs.map((run) =>
        seesDetails ? run : { ...run, error: null, progress: run.progress && { ...run.progress, currentPath: null } },
      ),
      olderRuns: next,
      isFirstRuns: before === undefined,
      outcomes: await this.history.runs.outcomesSince([clientId], nowMs - CALENDAR_DAYS * DAY_MS),
      space: await this.history.runs.spaceOf(no),
      log: seesDetails ? await this.history.logs.list(no, logQuery(logChoice, query['before'])) : null,
      logChoice,
      preCommands:
        preCommands ??
        (seesDetails && isThere ? commandLines((await this.configs.get(caller, clientId)).preCommands) : ''),
      isFresh: this.configs.isFresh(person),
      sent,
      rights: {
        seesDetails,
        readsFiles: may('read-files'),
        controlsRuns: may('control-runs'),
        changesTasks: may('change-tasks'),
        changesClient: may('change-clients'),
      },
      moments: new Moments(timeZone, nowMs),
    });
    return showPage('clients/client', view, { problem });
  }
}

function levelOf(value: unknown): LogLevel {
  return LOG_LEVELS.find((level) => level === value) ?? 'debug';
}

function logQuery({ level, search }: { level: LogLevel; search: string }, before: unknown): LogsQuery {
  const place = /^\d{1,15}$/.test(queryText(before)) ? { cursor: Number(before) } : {};
  return Object.assign(new LogsQuery(), { level, limit: SHOWN_LINES, ...place }, search === '' ? {} : { search });
}
