// One-shot service of compose: asks the server for an enrolment code for the client beside it, so that the client never sees a password.
// A client that is enrolled already does not look at it.
import { chownSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

const { SERVER_URL = 'http://server:8000', ADMIN_USERNAME, ADMIN_PASSWORD_FILE, CODE_FILE } = process.env;

async function post(path, body, headers = {}) {
  const answer = await fetch(SERVER_URL + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

const password = readFileSync(ADMIN_PASSWORD_FILE, 'utf8').trim();
const { access_token: token } = await post('/api/login', { username: ADMIN_USERNAME || 'admin', password });
const { code } = await post('/api/enrolment_codes', {}, { authorization: `Bearer ${token}` });
rmSync(CODE_FILE, { force: true });
writeFileSync(CODE_FILE, `${code}\n`, { mode: 0o400 });
// The client's account inside its image.
if (process.getuid() === 0) chownSync(CODE_FILE, 1000, 1000);
process.stdout.write('an enrolment code for the client was made\n');
