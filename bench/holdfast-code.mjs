import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
require('reflect-metadata');

const server = (path) => require(`../dist/apps/server/src/${path}.js`);
const client = (path) => require(`../dist/apps/client/src/${path}.js`);

/** Holdfast's own code, as built: a benchmark writes and reads tables through the statements that it measures. */
export const engine = require('../dist/libs/engine/src/index.js');
export const { Database } = server('database/database');
export const { Clock } = server('config/clock');
export const { CatalogWriteRepository } = server('backups/catalog-write.repository');
export const { ChunksRepository } = server('backups/chunks.repository');
export const { encodeRoots } = server('backups/runs.repository');
export const { HttpServerApi } = client('server-api/http-server-api');
export const { loadIdentity } = client('state/identity');
