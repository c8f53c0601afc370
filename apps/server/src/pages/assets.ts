import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Asset {
  readonly type: string;
  readonly bytes: Buffer;
}

interface Source {
  readonly file: string;
  readonly type: string;
}

const HERE = join(__dirname, '..');

/** All that pages load beside themselves. Scripts are there once they are built: pages do without. */
const SOURCES: Readonly<Record<string, Source>> = {
  'style.css': { file: join(HERE, 'views', 'assets', 'style.css'), type: 'text/css; charset=utf-8' },
  'icon.svg': { file: join(HERE, 'views', 'assets', 'icon.svg'), type: 'image/svg+xml' },
  'live.js': { file: join(HERE, 'browser', 'live.js'), type: 'text/javascript; charset=utf-8' },
};

/** Files of the pages, in memory. Their address changes with their content, so browsers may keep them for good. */
export class Assets {
  private readonly assets = new Map<string, Asset>();
  readonly version: string;

  constructor() {
    const digest = createHash('sha256');
    for (const [name, { file, type }] of Object.entries(SOURCES)) {
      if (!existsSync(file)) continue;
      const bytes = readFileSync(file);
      digest.update(bytes);
      this.assets.set(name, { type, bytes });
    }
    this.version = digest.digest('hex').slice(0, 16);
  }

  find(name: string): Asset | undefined {
    return this.assets.get(name);
  }

  /** Null for one that is not there. */
  address(name: string): string | null {
    return this.assets.has(name) ? `/assets/${this.version}/${name}` : null;
  }
}
