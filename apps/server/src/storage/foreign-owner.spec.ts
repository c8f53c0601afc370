import { chownSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServerSettings } from '../config/server-settings';
import { StartError } from '../config/start-error';
import { refuseForeignOwner } from './foreign-owner';

const NOBODY = 65_534;
/** In no list of users. */
const UNKNOWN = 3_999_999_999;

describe('storage and a database on a local disk', () => {
  let folder: string;
  let settings: ServerSettings;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-owner-'));
    settings = Object.assign(new ServerSettings(), { storagePath: folder, databasePath: join(folder, 'db.sqlite') });
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it('are for whoever made them, and for the first start', () => {
    refuseForeignOwner(settings);
    writeFileSync(join(folder, 'repository.json'), '{}');
    writeFileSync(settings.databasePath, '');
    refuseForeignOwner(settings);
    expect(readdirSync(folder)).toEqual(['db.sqlite', 'repository.json']);
  });

  // Whoever else they belong to: the system does not let him in.
  it('are left to the system where it is not root who comes', () => {
    writeFileSync(settings.databasePath, '');
    refuseForeignOwner(settings, UNKNOWN);
  });

  // Only root can give a file away, or act as another user.
  if (process.geteuid?.() === 0) {
    it.each(['repository.json', 'db.sqlite'])('are not for root where %s is another user’s, who is named', (name) => {
      writeFileSync(join(folder, name), '{}');
      chownSync(join(folder, name), NOBODY, NOBODY);
      const refuse = (): void => {
        refuseForeignOwner(settings);
      };
      expect(refuse).toThrow(StartError);
      expect(refuse).toThrow(`${join(folder, name)} belongs to user nobody (${NOBODY}), and this is root`);
      expect(refuse).toThrow('"runuser -u nobody -- holdfast-server ..."');
      chownSync(join(folder, name), UNKNOWN, UNKNOWN);
      expect(refuse).toThrow(`belongs to user ${UNKNOWN}, and this is root`);
      expect(refuse).toThrow(`"setpriv --reuid=${UNKNOWN} --regid=${UNKNOWN} --clear-groups holdfast-server ..."`);
      expect(readdirSync(folder)).toEqual([name]);
    });

    it('are for root where neither is on a local disk', () => {
      writeFileSync(settings.databasePath, '');
      writeFileSync(join(folder, 'repository.json'), '{}');
      for (const name of readdirSync(folder)) chownSync(join(folder, name), NOBODY, NOBODY);
      const s3 = { bucket: 'b' } as ServerSettings['s3'];
      refuseForeignOwner(Object.assign(settings, { s3, databaseUrl: 'postgresql://h/d' }));
    });

    // A file system that makes root's files another user's, as NFS does: here the process is that user.
    it('are for root where what root makes becomes the owner’s', () => {
      writeFileSync(settings.databasePath, '');
      chownSync(settings.databasePath, NOBODY, NOBODY);
      chownSync(folder, NOBODY, NOBODY);
      process.seteuid?.(NOBODY);
      try {
        refuseForeignOwner(settings, 0);
        expect(readdirSync(folder)).toEqual(['db.sqlite']);
      } finally {
        process.seteuid?.(0);
      }
    });
  }
});
