import { ServerSettings } from '../config/server-settings';
import type { Database } from '../database/database';
import type { DeletionGuard } from '../guards/deletion-guard';
import type { Storage } from '../storage/storage';
import { ChunkDamage } from './chunk-damage';
import { ChunksRepository } from './chunks.repository';
import { BlockChecks } from './block-checks';
import { PackFiles } from './pack-files';
import { PackRewriter, RewriterRepositories } from './pack-rewriter';
import { TestDisk } from './ingest.testing';
import { PackUsages } from './pack-usage';
import { PacksRepository } from './packs.repository';
import { DeleteWork, ReclaimDelete } from './reclaim-delete';
import { ReclaimMark } from './reclaim-mark';
import { ReclaimRewrite, RewriteWork } from './reclaim-rewrite';
import { ReclaimParts, ReclaimService } from './reclaim.service';
import { ReclaimRepository } from './reclaim.repository';
import { RunUploadsRepository } from './run-uploads.repository';
import { RewriteRoom } from './rewrite-room';
import { RewriteRepository } from './rewrite.repository';

/** Reclaim as a server wires it. */
export function reclaimOn(
  database: Database,
  storage: Storage,
  guard: DeletionGuard,
  { settings = new ServerSettings(), disk = new TestDisk() }: { settings?: ServerSettings; disk?: TestDisk } = {},
): { service: ReclaimService; rewriter: PackRewriter; usages: PackUsages } {
  const packs = new PacksRepository();
  const reclaim = new ReclaimRepository();
  const uploads = new RunUploadsRepository();
  const moves = new RewriteRepository();
  const damage = new ChunkDamage(database, new ChunksRepository(), packs);
  const rewriter = new PackRewriter(
    database,
    new PackFiles(storage, new BlockChecks()),
    new RewriterRepositories(moves, packs),
    damage,
    guard,
  );
  const usages = new PackUsages(database, moves);
  const room = new RewriteRoom(database, settings, disk, moves);
  const rewrite = new ReclaimRewrite(database, settings, room, new RewriteWork(reclaim, packs, usages, rewriter));
  const deletion = new ReclaimDelete(database, storage, settings, new DeleteWork(reclaim, guard, disk));
  const parts = new ReclaimParts(reclaim, packs, new ReclaimMark(database, reclaim, uploads), rewrite, deletion);
  return { service: new ReclaimService(database, settings, parts, guard), rewriter, usages };
}
