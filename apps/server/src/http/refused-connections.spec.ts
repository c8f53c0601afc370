import { RefusedConnections } from './refused-connections';

describe('connections that are refused', () => {
  it('are all counted, and told of at once, then once a minute, with how many and from where, each limit for itself', () => {
    const [told, counted]: [string[], string[]] = [[], []];
    const refusals = new RefusedConnections({
      warn: (message) => told.push(message),
      count: (limit) => counted.push(limit),
    });
    for (const ms of [0, 10, 59_999]) refusals.refused('MAX_CONNECTIONS', '192.0.2.1', ms);
    refusals.refused('MAX_CONNECTIONS_PER_ADDRESS', '192.0.2.2', 20);
    refusals.refused('MAX_CONNECTIONS', '192.0.2.3', 60_000);
    expect(counted.filter((limit) => limit === 'MAX_CONNECTIONS')).toHaveLength(4);
    expect(counted).toHaveLength(5);
    expect(told).toEqual([
      expect.stringMatching(/^MAX_CONNECTIONS is reached: .*: 1, the latest from 192\.0\.2\.1\.$/),
      expect.stringMatching(/^MAX_CONNECTIONS_PER_ADDRESS is reached: .*: 1, the latest from 192\.0\.2\.2\.$/),
      expect.stringMatching(/^MAX_CONNECTIONS is reached: .*: 3, the latest from 192\.0\.2\.3\.$/),
    ]);
  });
});
