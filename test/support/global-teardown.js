const { spawnSync } = require('node:child_process');
const { rmSync } = require('node:fs');
const { join } = require('node:path');

module.exports = async () => {
  const s3 = process.env.TEST_S3_DIR;
  spawnSync(join(__dirname, '../services/radosgw-down'), [join(s3, 'server')]);
  rmSync(s3, { recursive: true, force: true });
  if (!globalThis.__postgres) return;
  await globalThis.__postgres.postgres.stop();
  rmSync(globalThis.__postgres.base, { recursive: true, force: true });
};
