import type { WatchedClient } from '../fleet/fleet.service';
import { clientSeries } from './client-series';

const client: WatchedClient = {
  ...{ no: 1, name: 'pc', owner: 'ann', status: 'online', createdMs: 1_000, isLate: false },
  ...{ lastBackupMs: null, failedTasks: 0, partialTasks: 0 },
};

describe('the series of clients', () => {
  it('are one of each kind for each client, under the words of their kind', async () => {
    const text = await clientSeries([client, { ...client, name: 'nas', isLate: true, lastBackupMs: 5_500 }]);
    expect(text).toContain(
      [
        '# TYPE holdfast_client_late gauge',
        'holdfast_client_late{client="pc",owner="ann"} 0',
        'holdfast_client_late{client="nas",owner="ann"} 1',
        '',
      ].join('\n'),
    );
    expect(text).toContain('holdfast_client_last_success_timestamp_seconds{client="pc",owner="ann"} 0\n');
    expect(text).toContain('holdfast_client_last_success_timestamp_seconds{client="nas",owner="ann"} 5.5\n');
    expect(text.endsWith('\n')).toBe(true);
  });

  it('tell of tasks whose last run was not whole, and since when there is the client', async () => {
    const text = await clientSeries([{ ...client, failedTasks: 2, partialTasks: 3 }]);
    expect(text).toContain('holdfast_client_failed_tasks{client="pc",owner="ann"} 2\n');
    expect(text).toContain('holdfast_client_partial_tasks{client="pc",owner="ann"} 3\n');
    expect(text).toContain('holdfast_client_created_timestamp_seconds{client="pc",owner="ann"} 1\n');
  });

  it('are none of a revoked client, of which nothing is expected', async () => {
    expect(await clientSeries([{ ...client, status: 'revoked', isLate: true }])).not.toContain('client="pc"');
  });

  it('keep names apart from what stands around them', async () => {
    const text = await clientSeries([{ ...client, name: 'a"b\\c\nd' }]);
    expect(text).toContain(String.raw`holdfast_client_late{client="a\"b\\c\nd",owner="ann"} 0`);
  });

  it('are announced when there is no client, too', async () => {
    expect(await clientSeries([])).toContain('# TYPE holdfast_client_late gauge\n');
  });
});
