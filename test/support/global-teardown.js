const { rmSync } = require('node:fs');

module.exports = async () => {
  if (!globalThis.__postgres) return;
  await globalThis.__postgres.postgres.stop();
  rmSync(globalThis.__postgres.base, { recursive: true, force: true });
};
