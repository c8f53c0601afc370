import { Injectable } from '@nestjs/common';
import type { ForgetAnswer, ForgetRequest } from '#common';
import { InvalidError, pathGlob } from '#engine';
import { actorOf } from '../audit/actor';
import { AuditService } from '../audit/audit.service';
import { Database } from '../database/database';
import { DeletionGuard } from '../guards/deletion-guard';
import { DomainError } from '../http/domain-error';
import type { PersonIdentity } from '../users/person-identity';
import { ForgetRepository } from './forget.repository';
import { pathSlices } from './path-slices';
import { RemovalsRepository } from './removals.repository';
import { RetentionPoliciesRepository } from './retention-policies.repository';
import { RetentionRules, type TaskRules } from './retention-rules';
import { RetentionRepository } from './retention.repository';
import { RetentionService } from './retention.service';

const MAX_EXAMPLES = 1_000;

/** What forgetting reads and writes. */
@Injectable()
export class ForgetRepositories {
  constructor(
    readonly forget: ForgetRepository,
    readonly removals: RemovalsRepository,
    readonly versions: RetentionRepository,
    readonly policies: RetentionPoliciesRepository,
  ) {}
}

/**
 * Removes all history of the paths that match a pattern, the current versions included: for what should never have been
 * backed up. Pins and the lock window hold against it. Who asked, and for what, stands with the removal.
 */
@Injectable()
export class ForgetService {
  constructor(
    private readonly database: Database,
    private readonly repositories: ForgetRepositories,
    private readonly rules: RetentionRules,
    private readonly retention: RetentionService,
    private readonly guard: DeletionGuard,
    private readonly audit: AuditService,
  ) {}

  async forget(person: PersonIdentity, taskId: string, request: ForgetRequest): Promise<ForgetAnswer> {
    const matches = globOf(request.pattern);
    const place = await this.database.read((sql) => this.repositories.policies.find(sql, 'tasks', taskId));
    if (place === undefined) throw new DomainError('not-found', `There is no task ${taskId}`);
    const answer: ForgetAnswer = {
      simulated: request.simulate,
      paths: 0,
      versions: 0,
      bytes: 0,
      kept: 0,
      examples: [],
    };
    if (request.simulate) {
      await this.eachSlice(place.no, matches, async (pathNos) => this.count(place.no, pathNos, answer));
      return answer;
    }
    await this.guard.assertSafe();
    // Before the first path goes: a crash on the way leaves no forgetting that nobody is behind.
    await this.audit.recordAlone(actorOf(person), {
      action: 'retention.forget',
      target: { kind: 'task', id: taskId, name: null },
      details: { pattern: request.pattern },
    });
    const done = await this.retention.whileHeld(place.no, async (hold) => {
      await this.eachSlice(place.no, matches, async (pathNos) => {
        await this.count(place.no, pathNos, answer);
        const cause = { cause: 'forget' as const, requestedBy: person.userId, note: request.pattern };
        const doomed = await this.retention.plan(hold, cause, async (tx, removalNo) => {
          const rules = await this.rules.load(tx, place.no);
          if (rules === null) return 0;
          return this.repositories.forget.doom(tx, pathNos, { taskNo: place.no, removalNo, ...bounded(rules) });
        });
        if (doomed > 0) await this.retention.complete(hold);
      });
      return true;
    });
    if (done === null)
      throw new DomainError('run-active', 'A run or retention works on this task; ask again when it is over');
    return answer;
  }

  /** Matching paths by descending numbers. */
  private async eachSlice(
    taskNo: number,
    matches: (path: Buffer) => boolean,
    take: (pathNos: number[], paths: ReadonlyMap<number, Buffer>) => Promise<void>,
  ): Promise<void> {
    const { forget, removals } = this.repositories;
    for await (const numbers of pathSlices(this.database, forget, taskNo)) {
      const paths = await this.database.read((sql) => removals.pathsOf(sql, numbers));
      const matching = numbers.filter((no) => matches(paths.get(no) ?? Buffer.alloc(0)));
      if (matching.length > 0) await take(matching, paths);
    }
  }

  private async count(taskNo: number, pathNos: readonly number[], answer: ForgetAnswer): Promise<void> {
    await this.database.read(async (sql) => {
      const rules = await this.rules.preview(sql, await this.repositories.policies.ofTask(sql, taskNo));
      if (rules === null) return;
      const rows = await this.repositories.forget.counts(sql, pathNos, { taskNo, ...bounded(rules) });
      const named = rows.slice(0, MAX_EXAMPLES - answer.examples.length).map(({ pathNo }) => pathNo);
      const paths = await this.repositories.removals.pathsOf(sql, named);
      for (const { pathNo, versions, bytes, kept } of rows) {
        if (versions > 0) answer.paths += 1;
        answer.versions += versions;
        answer.bytes += bytes;
        answer.kept += kept;
        const path = paths.get(pathNo);
        if (path !== undefined && versions > 0) answer.examples.push({ pathBase64: path.toString('base64'), versions });
      }
    });
  }
}

function bounded({ bounds }: TaskRules): { headRun: number; unprotectedUpTo: number; pinnedRuns: readonly number[] } {
  const { headRun, unprotectedUpTo, pinnedRuns } = bounds;
  return { headRun, unprotectedUpTo, pinnedRuns };
}

function globOf(pattern: string): (path: Buffer) => boolean {
  try {
    return pathGlob(Buffer.from(pattern));
  } catch (error) {
    if (!(error instanceof InvalidError)) throw error;
    throw new DomainError('invalid', `The pattern cannot be used: ${error.message}`, { cause: error });
  }
}
