import type { EntitySchema } from 'typeorm';
import type { Dialect } from '../sql';
import { foundChunksTable, heldTasksTable } from './adoption.entities';
import { fileVersionsTable, pathsTable } from './catalog.entities';
import { chunksTable, listRefsTable, packsTable } from './chunk.entities';
import {
  apiTokensTable,
  auditEventsTable,
  clientLogsTable,
  enrolmentCodesTable,
  leasesTable,
  runOutputsTable,
  signInAttemptsTable,
} from './fleet.entities';
import { clientsTable, domainsTable, pageSessionsTable, settingsTable, usersTable } from './identity.entities';
import { doomedVersionsTable, pinsTable, removalsTable } from './retention.entities';
import { runBatchesTable, runProblemsTable, runsTable, runUploadsTable, tasksTable } from './run.entities';
import { deletionStopsTable, guardAcknowledgementsTable, heartbeatsTable } from './guard.entities';
import { maintenanceRunsTable } from './maintenance.entities';
import { spaceDaysTable } from './space.entities';
import { type ColumnSpec, entityOf } from './table';

const ALL = [
  settingsTable,
  domainsTable,
  usersTable,
  clientsTable,
  tasksTable,
  runsTable,
  runProblemsTable,
  runUploadsTable,
  runBatchesTable,
  pathsTable,
  fileVersionsTable,
  chunksTable,
  listRefsTable,
  packsTable,
  pinsTable,
  removalsTable,
  doomedVersionsTable,
  maintenanceRunsTable,
  heartbeatsTable,
  deletionStopsTable,
  guardAcknowledgementsTable,
  apiTokensTable,
  enrolmentCodesTable,
  signInAttemptsTable,
  auditEventsTable,
  clientLogsTable,
  runOutputsTable,
  leasesTable,
  pageSessionsTable,
  spaceDaysTable,
  foundChunksTable,
  heldTasksTable,
];

/** A table as far as a dump of its rows is concerned. */
export interface TableColumns {
  readonly name: string;
  readonly columns: Readonly<Record<string, ColumnSpec>>;
}

/** Every table. */
export const TABLES: readonly TableColumns[] = ALL;

/** The same, for TypeORM. */
export function entitiesFor(dialect: Dialect): EntitySchema[] {
  return [
    entityOf(settingsTable, dialect),
    entityOf(domainsTable, dialect),
    entityOf(usersTable, dialect),
    entityOf(clientsTable, dialect),
    entityOf(tasksTable, dialect),
    entityOf(runsTable, dialect),
    entityOf(runProblemsTable, dialect),
    entityOf(runUploadsTable, dialect),
    entityOf(runBatchesTable, dialect),
    entityOf(pathsTable, dialect),
    entityOf(fileVersionsTable, dialect),
    entityOf(chunksTable, dialect),
    entityOf(listRefsTable, dialect),
    entityOf(packsTable, dialect),
    entityOf(pinsTable, dialect),
    entityOf(removalsTable, dialect),
    entityOf(doomedVersionsTable, dialect),
    entityOf(maintenanceRunsTable, dialect),
    entityOf(spaceDaysTable, dialect),
    entityOf(heartbeatsTable, dialect),
    entityOf(deletionStopsTable, dialect),
    entityOf(guardAcknowledgementsTable, dialect),
    entityOf(apiTokensTable, dialect),
    entityOf(enrolmentCodesTable, dialect),
    entityOf(signInAttemptsTable, dialect),
    entityOf(auditEventsTable, dialect),
    entityOf(clientLogsTable, dialect),
    entityOf(runOutputsTable, dialect),
    entityOf(leasesTable, dialect),
    entityOf(pageSessionsTable, dialect),
    entityOf(foundChunksTable, dialect),
    entityOf(heldTasksTable, dialect),
  ];
}
