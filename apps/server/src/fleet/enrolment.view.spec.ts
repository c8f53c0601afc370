import { Moments } from '../pages/moments';
import { enrolmentView } from './enrolment.view';

const facts = {
  name: "Ann's PC",
  paths: '/home/ann, /srv',
  code: 'CODE-1234',
  expiresAtMs: 3_600_000,
  serverUrl: 'https://backup.example.org',
  certificate: null,
  moments: new Moments('UTC', 0),
};

describe('the commands that enrol a machine', () => {
  it('quote each value for the shell', () => {
    const { node } = enrolmentView(facts);
    expect(node.split('\n')).toEqual([
      'SERVER_URL=https://backup.example.org \\',
      'ENROLMENT_CODE=CODE-1234 \\',
      String.raw`CLIENT_NAME='Ann'\''s PC' ` + '\\',
      "MONITORED_PATHS='/home/ann, /srv' \\",
      'npm run start:client',
    ]);
  });

  it('back up the same paths of the machine with Docker Compose', () => {
    const { node, compose } = enrolmentView(facts);
    const [start] = node.split('npm run');
    expect(compose).toBe(
      `${start}docker compose -f docker-compose.client.yml -f docker-compose.host.yml up --build -d`,
    );
    expect(enrolmentView({ ...facts, paths: '' }).compose).toContain('\nMONITORED_PATHS=/home \\\n');
  });

  it('pin a certificate that signed itself, and none of an authority, whose renewal would lock the machine out', () => {
    const fingerprint = 'ab'.repeat(32);
    const { node, compose } = enrolmentView({ ...facts, certificate: { fingerprint, isSelfSigned: true } });
    expect(node).toContain(`\nSERVER_CERT_FINGERPRINT=${fingerprint} \\`);
    expect(compose).toContain(`\nSERVER_CERT_FINGERPRINT=${fingerprint} \\`);
    const signed = enrolmentView({ ...facts, certificate: { fingerprint, isSelfSigned: false } });
    expect(signed).toMatchObject({ fingerprint, isPinned: false });
    for (const { compose: lines, node: others } of [signed, enrolmentView(facts)])
      expect(lines + others).not.toContain('FINGERPRINT');
  });
});
