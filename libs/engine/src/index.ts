// The one door of libs/engine. Explicit exports only: what is not named here is private to the engine.
export { CorruptError, InvalidError, isUnreadable, UnsupportedError } from './errors';
export {
  type ChunkKey,
  chunkId,
  type ContentRef,
  dataChunkId,
  decodeKeys,
  encodeKeys,
  ID_BYTES,
  keyString,
  listChunkId,
  MAX_HEIGHT,
} from './ids';
export { AVG_CHUNK_BYTES, CHUNKER_ID, cutLength, isKnownChunker, MAX_CHUNK_BYTES, MIN_CHUNK_BYTES } from './chunker';
export { ContentBuilder, decodeList, type ListChild, type ListChunk, MAX_LIST_BYTES } from './content';
export { type BlockChunk, BLOCK_TARGET_BYTES, MAX_BLOCK_CHUNKS } from './chunk-table';
export { type BlockHeader, headerLengthOf, parseBlockHeader } from './block-header';
export {
  decodeBlock,
  decodeBlockAsync,
  type DecodedBlock,
  encodeBlock,
  encodeBlockAsync,
  freePlain,
  type PlainChunk,
  verifyPayload,
  zstdParameters,
} from './block';
export { blockRoom, type Compressor, encodeBlockInto, nodeCompressor, STORING } from './block-into';
export { BlockBuilder } from './block-builder';
export { freeMemory, freePiece } from './spent-memory';
export { type FramedBlock, readBlocks } from './read-blocks';
export {
  type FooterBlock,
  MAX_PACK_BYTES,
  PACK_HEADER,
  PACK_TAIL_BYTES,
  PackIndexBuilder,
  parsePackFooter,
  parsePackHeader,
  parsePackTail,
} from './pack';
export { type PackedBlock, verifyPack } from './verify-pack';
export { type WalkedBlock, type WalkedPack, walkPack } from './walk-pack';
export {
  assertName,
  comparePaths,
  isWithin,
  joinPath,
  MAX_NAME_BYTES,
  MAX_PATH_BYTES,
  parsePath,
  ROOT_PATH,
  splitPath,
} from './path';
export { type Entry, type EntryKind, MAX_ENTRY_BYTES } from './entry';
export { decodeEntry, encodeEntry } from './entry-codec';
export { decodeXattrs, encodeXattrs, MAX_INLINE_XATTR_BYTES, type Xattr } from './xattrs';
export { decodeDetection, type Detection, encodeDetection } from './detection';
export {
  type Change,
  type CloseReason,
  decodeChange,
  decodeEntryRecord,
  decodeIndexRecord,
  decodeVersionRecord,
  encodeChange,
  encodeEntryRecord,
  encodeIndexRecord,
  encodeVersionRecord,
  type EntryRecord,
  type IndexRecord,
  type VersionRecord,
} from './records';
export { MAX_FRAME_BYTES, MAX_RECORD_BYTES, type RecordStreamType } from './record-frame';
export { type DraftFrame, encodeDraftFrame, readDraft } from './manifest-draft';
export { decodeRecords, decodeRecordStream, readFrames, RecordStreamEncoder } from './record-stream';
export { EMPTY_CHAIN_DIGEST, nextChainDigest } from './change-chain';
export { type OpenStream } from './open-stream';
export { decodeIndexHeader, encodeIndexHeader, type IndexHeader } from './index-file';
export { IndexLines } from './index-lines';
export { type QuickSighting } from './quick-detect';
export { type Merged, mergeByPath } from './merge';
export { isUnchanged, type Sighting } from './detect';
export { excludePatternProblem } from './exclude-pattern';
export {
  decodeManifestHeader,
  encodeManifestHeader,
  type ManifestHeader,
  manifestKey,
  openManifest,
  voidKey,
} from './manifest';
export { planPlacements } from './restore-plan';
export { countDue, lastDueMs, nextDueMs, parseSchedule, type Schedule } from './schedule';
export { decideDue, type DueAnswer } from './due';
export {
  type EffectivePolicy,
  keepsEverything,
  NO_POLICY,
  resolvePolicy,
  type RetentionPolicy,
} from './retention-policy';
export { type RetentionSnapshot } from './retention-snapshots';
export { type RetentionBounds, retentionBounds } from './retention-bounds';
export {
  joinDirectories,
  RetentionDecider,
  type RetentionDecision,
  type RetentionPath,
  type RetentionVersion,
} from './retention-decide';
export {
  encodeRemovalHeader,
  encodeRemovedVersion,
  openRemoval,
  type RemovalHeader,
  removalKey,
  type RemovedVersion,
} from './removal';
export { configKey, configNumber, encodeConfigHeader, openConfigExport } from './config-export';
export { type ConfigKind, type ConfigRecord, type ConfigRow, encodeConfigRecord } from './config-record';
export {
  catalogDumpKey,
  catalogDumpMadeMs,
  type CatalogHeader,
  type DumpedTable,
  encodeCatalogHeader,
  openCatalogDump,
} from './catalog-dump';
export { type DumpedColumn, type DumpedValue, type TableRows, TableRowsEncoder } from './table-rows';
export { pathGlob } from './path-glob';
