import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { GoneAnswer, PinAnswer } from '#common';
import { actorOf } from '../audit/actor';
import { AuditService } from '../audit/audit.service';
import type { AgentIdentity } from '../auth/agent-identity';
import { Database } from '../database/database';
import { DomainError } from '../http/domain-error';
import type { PersonIdentity } from '../users/person-identity';
import { PinsRepository } from './pins.repository';
import { RemovalsRepository } from './removals.repository';
import { RetentionPoliciesService } from './retention-policies.service';
import { ThinnedSnapshotsRepository } from './thinned-snapshots.repository';

/** How long a reader's lease holds a snapshot; it is renewed while the reading goes on. Agents may be cut off for hours. */
const LEASE_MS = { restore: 6 * 3_600_000, download: 3_600_000 };
/** Versions that one page of missing paths looks at. */
const GONE_ROWS = 20_000;

@Injectable()
export class PinRepositories {
  constructor(
    readonly pins: PinsRepository,
    readonly snapshots: ThinnedSnapshotsRepository,
    readonly removals: RemovalsRepository,
  ) {}
}

/** Holding snapshots against retention, and telling what a snapshot has lost to it. */
@Injectable()
export class PinsService {
  constructor(
    private readonly database: Database,
    private readonly repositories: PinRepositories,
    private readonly policies: RetentionPoliciesService,
    private readonly audit: AuditService,
  ) {}

  async pin(person: PersonIdentity, runId: string, note: string | null): Promise<PinAnswer> {
    const { pins, snapshots } = this.repositories;
    return this.database.write('retention.pin', async (tx) => {
      const snapshot = await snapshots.find(tx, runId);
      if (snapshot === undefined) throw noSnapshot(runId);
      await this.policies.visible(tx, person, 'tasks', snapshot.taskId).catch(() => {
        throw noSnapshot(runId);
      });
      const id = await pins.set(tx, {
        id: randomUUID(),
        taskNo: snapshot.taskNo,
        runNumber: snapshot.number,
        kind: 'pin',
        holder: person.userId,
        note,
        expiresAt: null,
      });
      const shown = await pins.list(tx, snapshot.taskNo, await tx.now());
      const pin = shown.find((candidate) => candidate.id === id);
      if (pin === undefined) throw new Error(`pin ${id} was set and is not there`);
      const target = { kind: 'run', id: runId, name: null } as const;
      await this.audit.record(tx, actorOf(person), { action: 'pins.set', target, details: { pinId: id, note } });
      return pin;
    });
  }

  async list(person: PersonIdentity, taskId: string): Promise<PinAnswer[]> {
    return this.database.read(async (sql) => {
      const { no } = await this.policies.visible(sql, person, 'tasks', taskId);
      return this.repositories.pins.list(sql, no, await sql.now());
    });
  }

  async unpin(person: PersonIdentity, pinId: string): Promise<void> {
    await this.database.write('retention.pin', async (tx) => {
      const pin = await this.repositories.pins.find(tx, pinId);
      if (pin === undefined || (person.role !== 'admin' && pin.ownerNo !== person.userNo)) {
        throw new DomainError('not-found', `There is no pin ${pinId}`);
      }
      await this.repositories.pins.remove(tx, pin.no);
      const target = { kind: 'run', id: pin.snapshotId, name: null } as const;
      await this.audit.record(tx, actorOf(person), { action: 'pins.remove', target, details: { pinId } });
    });
  }

  /** Holds a snapshot of the client for a reader. Each holder has one lease of a snapshot, so nothing piles up. */
  async lease(
    { clientNo, holder }: { readonly clientNo: number; readonly holder: string },
    runId: string,
    reading: keyof typeof LEASE_MS,
  ): Promise<{ expiresAt: number }> {
    const { pins, snapshots } = this.repositories;
    return this.database.write('retention.pin', async (tx) => {
      const snapshot = await snapshots.find(tx, runId);
      if (snapshot?.clientNo !== clientNo) throw noSnapshot(runId);
      const expiresAt = (await tx.now()) + LEASE_MS[reading];
      const { taskNo, number } = snapshot;
      await pins.set(tx, { id: randomUUID(), taskNo, runNumber: number, kind: 'lease', holder, note: null, expiresAt });
      return { expiresAt };
    });
  }

  /** A page of the paths that retention took from a snapshot; costs nothing when it took none. */
  async gone(agent: AgentIdentity, runId: string, after: number, limit = GONE_ROWS): Promise<GoneAnswer> {
    const { snapshots, removals } = this.repositories;
    return this.database.read(async (sql) => {
      const snapshot = await snapshots.find(sql, runId);
      if (snapshot?.clientNo !== agent.clientNo) throw noSnapshot(runId);
      if (snapshot.isThinned === 0) return { isThinned: false, pathsBase64: [], next: null };
      const { numbers, next } = await snapshots.gone(sql, snapshot, { after, rows: Math.min(limit, GONE_ROWS) });
      const paths = await removals.pathsOf(sql, numbers);
      return { isThinned: true, pathsBase64: [...paths.values()].map((path) => path.toString('base64')), next };
    });
  }
}

function noSnapshot(runId: string): DomainError {
  return new DomainError('not-found', `There is no snapshot ${runId}`);
}
