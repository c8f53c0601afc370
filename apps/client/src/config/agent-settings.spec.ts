import { loadAgentSettings } from './agent-settings';

describe('agent settings', () => {
  it('takes what the environment says', () => {
    const settings = loadAgentSettings({
      HOLDFAST_STATE_DIR: '/srv/state',
      HOLDFAST_RETRY_SECONDS: '7',
      HOLDFAST_COMPRESSION_LEVEL: '',
    });
    expect(settings).toEqual({
      stateDir: '/srv/state',
      retryForMs: 7000,
      lookupRetryForMs: 7000,
      compressionLevel: 3,
      caFile: null,
      fingerprints: null,
      allowInsecureHttp: false,
      killAt: undefined,
    });
  });

  it('waits for the server shortly when a question is to be answered, unless told how long', () => {
    expect(loadAgentSettings({})).toMatchObject({ retryForMs: 300_000, lookupRetryForMs: 15_000 });
    expect(loadAgentSettings({ HOLDFAST_RETRY_SECONDS: '0' })).toMatchObject({ retryForMs: 0, lookupRetryForMs: 0 });
  });

  it('takes fingerprints as openssl, browsers and the page show them', () => {
    const [a, b] = ['0a'.repeat(32), 'ff'.repeat(32)];
    const colons = Array(32).fill('0A').join(':');
    expect(loadAgentSettings({ SERVER_CERT_FINGERPRINT: `${colons}, ${b}` }).fingerprints).toEqual([a, b]);
    // Those of the enrolment count no more; not set, they do.
    expect(loadAgentSettings({ SERVER_CERT_FINGERPRINT: 'none' }).fingerprints).toEqual([]);
    expect(loadAgentSettings({ SERVER_CERT_FINGERPRINT: '' }).fingerprints).toBeNull();
    for (const bad of [`none,${a}`, '0a', `${a}0`, `sha256/${a}`, 'x'.repeat(64)])
      expect(() => loadAgentSettings({ SERVER_CERT_FINGERPRINT: bad })).toThrow(/SERVER_CERT_FINGERPRINT must hold/);
  });

  it('names every bad setting at once, and never its value', () => {
    const load = () =>
      loadAgentSettings({ HOLDFAST_STATE_DIR: 'secret', HOLDFAST_RETRY_SECONDS: 'soon', HOLDFAST_KILL_AT: 'nowhere' });
    expect(load).toThrow(/HOLDFAST_STATE_DIR.*HOLDFAST_RETRY_SECONDS.*HOLDFAST_KILL_AT/);
    expect(load).not.toThrow(/secret|soon|nowhere/);
  });

  it('tells a name of ours that it does not know, and leaves those of the shell alone', () => {
    expect(() => loadAgentSettings({ HOLDFAST_STATEDIR: '/srv' })).toThrow(/HOLDFAST_STATEDIR.*HOLDFAST_STATE_DIR/);
    expect(() => loadAgentSettings({ BACKUP_DIR: '/srv' })).not.toThrow();
  });
});
