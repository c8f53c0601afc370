// node scripts/screenshots.mjs [ONLY]   (after `npm run build`; needs Debian's chromium)
//
// Starts a server on temporary data, has an agent back this checkout's documents up twice, and takes a picture of every page
// into docs/screenshots/. Pictures are for looking at: whoever changes a page takes them anew and looks.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const ROOT = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
const TARGET = join(ROOT, 'docs', 'screenshots');
const PORT = 18_990;
const URL_BASE = `http://127.0.0.1:${PORT}`;
const JSON_TYPE = { 'content-type': 'application/json' };
const ADMIN = { username: 'admin', password: 'a password for pictures' };

const work = mkdtempSync(join(tmpdir(), 'holdfast-screenshots-'));
const environment = {
  ...process.env,
  PORT: String(PORT),
  BACKUP_STORAGE_PATH: join(work, 'data'),
  DATABASE_PATH: join(work, 'data', 'holdfast.sqlite'),
  ADMIN_USERNAME: ADMIN.username,
  ADMIN_PASSWORD: ADMIN.password,
  PROTECT_DAYS: '7',
  HOLDFAST_STATE_DIR: join(work, 'agent'),
};
const server = spawn(join(ROOT, 'bin/holdfast-server'), { env: environment, stdio: 'ignore' });
try {
  await answering();
  const { clientId, userId } = await demo();
  await pictures({
    dashboard: '/',
    clients: '/clients',
    'client-new': '/clients/new',
    client: `/clients/${clientId}`,
    'task-new': `/clients/${clientId}/tasks/new`,
    files: `/clients/${clientId}/files?path=${encodeURIComponent(join(ROOT, 'docs'))}`,
    'file-history': `/clients/${clientId}/files/history?path=${encodeURIComponent(join(work, 'notes', 'today.txt'))}`,
    users: '/users',
    'user-new': '/users/new',
    user: `/users/${userId}`,
    profile: '/profile',
    storage: '/storage',
    settings: '/settings',
    logs: '/logs',
    audit: '/audit',
    'not-found': '/no-such-page',
  });
} finally {
  server.kill('SIGTERM');
  await new Promise((done) => server.once('exit', done));
  rmSync(work, { recursive: true, force: true });
}

async function answering() {
  for (let tries = 0; tries < 240; tries += 1) {
    const answer = await fetch(`${URL_BASE}/health/live`).catch(() => null);
    if (answer?.ok) return;
    await sleep(250);
  }
  throw new Error('the server does not answer');
}

/** A few users, a few clients, two backups. */
async function demo() {
  const login = await fetch(`${URL_BASE}/api/login`, {
    method: 'POST',
    body: JSON.stringify(ADMIN),
    headers: JSON_TYPE,
  });
  const { access_token: token } = await login.json();
  const call = async (method, path, body) => {
    // The agent's commands hold this process up for longer than a connection is kept.
    const headers = { authorization: `Bearer ${token}`, connection: 'close', ...JSON_TYPE };
    const answer = await fetch(URL_BASE + path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
    if (!answer.ok) throw new Error(`${method} ${path}: ${await answer.text()}`);
    return answer.json();
  };
  const password = 'a password for pictures';
  for (const [username, role] of [
    ['maria', 'user'],
    ['jonas', 'user'],
    ['watch', 'viewer'],
  ])
    await call('POST', '/api/register_user', { username, role, password });
  for (const [name, username] of [
    ['laptop-maria', 'maria'],
    ['desktop-jonas', 'jonas'],
    ['web-02', 'admin'],
    ['mail-01', 'admin'],
  ])
    await call('POST', '/api/clients/register', { name, username });
  agent(['enroll', '--server', URL_BASE, '--username', ADMIN.username, '--password-stdin', '--name', 'web-01']);
  mkdirSync(join(work, 'notes'));
  for (const text of ['The first version of a note.\n', 'The second version, somewhat longer.\n']) {
    writeFileSync(join(work, 'notes', 'today.txt'), text);
    agent(['backup', join(ROOT, 'docs'), join(ROOT, 'libs'), join(work, 'notes')]);
  }
  const { clients } = await call('GET', '/api/clients');
  const client = clients.find(({ name }) => name === 'web-01');
  await call('POST', `/api/clients/${client.id}/tasks`, {
    name: 'nightly',
    paths: ['/srv', '/home'],
    excludes: ['*.tmp'],
    schedule: { kind: 'cron', cron: '0 2 * * *', timeZone: 'Europe/Berlin', randomDelaySeconds: 600 },
  });
  const { users } = await call('GET', '/api/users');
  return { clientId: client.id, userId: users.find(({ username }) => username === 'maria').id };
}

function agent(words) {
  const { status, stderr } = spawnSync(join(ROOT, 'bin/holdfast'), words, {
    env: environment,
    input: `${ADMIN.password}\n`,
  });
  if (status !== 0) throw new Error(`holdfast ${words[0]} ended with ${status}: ${stderr}`);
}

async function pictures(pages) {
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
  const looks = {
    '': { viewport: { width: 1280, height: 800 }, colorScheme: 'light' },
    '-dark': { viewport: { width: 1280, height: 800 }, colorScheme: 'dark' },
    '-phone': { viewport: { width: 390, height: 844 }, colorScheme: 'light' },
  };
  for (const [ending, look] of Object.entries(looks)) {
    const context = await browser.newContext(look);
    const page = await context.newPage();
    await page.goto(`${URL_BASE}/login`);
    await page.screenshot({ path: join(TARGET, `login${ending}.png`) });
    await page.fill('#username', ADMIN.username);
    await page.fill('#password', ADMIN.password);
    await Promise.all([page.waitForEvent('load'), page.click('button[type=submit]')]);
    for (const [name, path] of Object.entries(pages)) {
      // Dark and narrow: those that look unlike the others.
      if (ending !== '' && !['dashboard', 'clients', 'client', 'user'].includes(name)) continue;
      if (process.argv[2] !== undefined && process.argv[2] !== name) continue;
      await page.goto(URL_BASE + path);
      await page.screenshot({ path: join(TARGET, `${name}${ending}.png`) });
    }
    await context.close();
  }
  await browser.close();
}
