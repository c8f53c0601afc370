import { unknownSettings } from './unknown-settings';

describe('names that look like settings', () => {
  it.each([
    ['S3_BUKET', 'S3_BUCKET'],
    ['BACKUP_SHCEDULE', 'BACKUP_SCHEDULE'],
    ['RETENTION_SCHEDULES', 'RETENTION_SCHEDULE'],
    ['HOLDFAST_STATEDIR', 'HOLDFAST_STATE_DIR'],
    ['HOLDFAST_PASSWORD_FIEL', 'HOLDFAST_PASSWORD_FILE'],
    ['DATABASE_URI', 'DATABASE_URL'],
    ['SECRET_KEYS', 'SECRET_KEY'],
    ['CLIENT_UI_ENABLE', 'CLIENT_UI_ENABLED'],
  ])('%s is told, with %s', (name, near) => {
    expect(unknownSettings({ [name]: 'hush' })).toEqual([`${name}: there is no such setting; the nearest is ${near}`]);
  });

  it.each([
    ['S3_BUCKET', 'team'],
    ['ADMIN_PASSWORD_FILE', '/run/secrets/admin'],
    ['HOLDFAST_RUN_ID', 'of the run whose command calls'],
    ['HOLDFAST_PORT', 'tcp://10.0.0.1:8000'],
    ['HOLDFAST_PORT_8000_TCP_ADDR', '10.0.0.1'],
    ['HOLDFAST_SERVICE_PORT_HTTP', '8000'],
    ['DATABASE_HOST', 'of something else'],
    ['PATH', '/bin'],
    ['S3_BUKET', ''],
  ])('%s=%s is nothing to tell', (name, value) => {
    expect(unknownSettings({ [name]: value })).toEqual([]);
  });

  it('a port of ours that Kubernetes did not set is one', () => {
    expect(unknownSettings({ HOLDFAST_PORT: '8000' })).toHaveLength(1);
  });
});
