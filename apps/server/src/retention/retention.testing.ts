import { auditOn } from '../audit/audit.testing';
import type { ServerSettings } from '../config/server-settings';
import type { Database } from '../database/database';
import { guardOn } from '../guards/guards.testing';
import type { Storage } from '../storage/storage';
import { ForgetRepository } from './forget.repository';
import { PinsRepository } from './pins.repository';
import { ProtectWindow } from './protect-window';
import { PurgeRepository } from './purge.repository';
import { PurgeRepositories, PurgeService } from './purge.service';
import { RemovalCompletion } from './removal-record';
import { RemovalsRepository } from './removals.repository';
import { RetentionPoliciesRepository } from './retention-policies.repository';
import { RetentionRules } from './retention-rules';
import { RetentionRepository } from './retention.repository';
import { RetentionRepositories, RetentionService } from './retention.service';

/** The retention feature as a server wires it. */
export function retentionOn(
  database: Database,
  storage: Storage,
  settings: ServerSettings,
  guard = guardOn(database, storage),
) {
  const repository = new RetentionRepository();
  const policies = new RetentionPoliciesRepository();
  const removals = new RemovalsRepository();
  const pins = new PinsRepository();
  const window = new ProtectWindow(database, settings);
  const rules = new RetentionRules(settings, policies, repository, pins, window);
  const completion = new RemovalCompletion(database, storage, removals, guard);
  const service = new RetentionService(
    database,
    new RetentionRepositories(repository, removals, policies),
    rules,
    completion,
    guard,
  );
  const purging = new PurgeRepositories(new PurgeRepository(), new ForgetRepository(), pins, window);
  const purge = new PurgeService(database, purging, service, auditOn(database));
  return { repository, policies, removals, pins, rules, window, completion, service, purge, guard };
}
