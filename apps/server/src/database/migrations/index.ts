import { FirstTables1795000000001 } from './1795000000001-first-tables';
import { Retention1795000010001 } from './1795000010001-retention';
import { Fleet1795000020001 } from './1795000020001-fleet';
import { Reclaim1795000030001 } from './1795000030001-reclaim';
import { Maintenance1795000030002 } from './1795000030002-maintenance';
import { Guards1795000031001 } from './1795000031001-guards';
import { Rewrite1795000032001 } from './1795000032001-rewrite';
import { PageSessions1795000040001 } from './1795000040001-page-sessions';
import { Scrub1795000050001 } from './1795000050001-scrub';
import { Space1795000050002 } from './1795000050002-space';
import { LogBytes1795000060001 } from './1795000060001-log-bytes';
import { MovedPacks1795000070001 } from './1795000070001-moved-packs';
import { SpaceDays1795000070002 } from './1795000070002-space-days';
import { FleetLists1795000080001 } from './1795000080001-fleet-lists';
import { Adoption1795000090001 } from './1795000090001-adoption';
import { RunUploads1795000100001 } from './1795000100001-run-uploads';
import { RunSums1795000100002 } from './1795000100002-run-sums';
import { RunBatches1795000110001 } from './1795000110001-run-batches';

/** In order. A released migration never changes. A dump of the catalog is brought up from the level that it names. */
export const MIGRATIONS = [
  FirstTables1795000000001,
  Retention1795000010001,
  Fleet1795000020001,
  Reclaim1795000030001,
  Maintenance1795000030002,
  Guards1795000031001,
  Rewrite1795000032001,
  PageSessions1795000040001,
  Scrub1795000050001,
  Space1795000050002,
  LogBytes1795000060001,
  MovedPacks1795000070001,
  SpaceDays1795000070002,
  FleetLists1795000080001,
  Adoption1795000090001,
  RunUploads1795000100001,
  RunSums1795000100002,
  RunBatches1795000110001,
];

type Migration = (typeof MIGRATIONS)[number];
export type Migrations = Migration[];

/** The migrations up to the one of this name, which stand in the order of their times; null: it is none of this version's. */
export function migrationsUpTo(level: string): Migration[] | null {
  const timeOf = ({ name }: Migration): number => Number(/[0-9]{13}$/.exec(name)?.[0]);
  const last = MIGRATIONS.find(({ name }) => name === level);
  return last === undefined ? null : MIGRATIONS.filter((migration) => timeOf(migration) <= timeOf(last));
}
