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
import BetterSqlite3 from 'better-sqlite3';
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
  const { clientId, laptopId, userId, runId, taskId } = await demo();
  await pictures({
    dashboard: '/',
    clients: '/clients',
    'client-new': '/clients/new',
    client: `/clients/${clientId}`,
    run: `/clients/${clientId}/runs/${runId}`,
    task: `/clients/${laptopId}/tasks/${taskId}`,
    'client-history': `/clients/${laptopId}`,
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
  const laptop = clients.find(({ name }) => name === 'laptop-maria');
  const { id: taskId } = await call('POST', `/api/clients/${laptop.id}/tasks`, {
    name: 'documents',
    paths: ['/home/maria'],
    schedule: { kind: 'cron', cron: '0 12 * * *', timeZone: 'Europe/Berlin' },
  });
  past(taskId, { share: 0.6, hoursAgo: 2 });
  for (const [at, name] of ['web-02', 'mail-01'].entries()) {
    const { id } = clients.find((one) => one.name === name);
    const schedule = { kind: 'cron', cron: `0 ${at + 3} * * *`, timeZone: 'Europe/Berlin' };
    const task = await call('POST', `/api/clients/${id}/tasks`, { name: 'nightly', paths: ['/srv'], schedule });
    past(task.id, { share: 0.2, hoursAgo: 5 - at });
  }
  seen(['laptop-maria', 'web-02', 'mail-01', 'web-01']);
  const { users } = await call('GET', '/api/users');
  const { runs } = await call('GET', `/api/clients/${client.id}/runs`);
  return {
    clientId: client.id,
    laptopId: laptop.id,
    taskId,
    runId: runs[0].id,
    userId: users.find(({ username }) => username === 'maria').id,
  };
}

/** Half a year of runs and space, which no agent makes in a minute. */
function past(taskId, { share, hoursAgo }) {
  const sqlite = new BetterSqlite3(environment.DATABASE_PATH, { timeout: 10_000 });
  const day = 86_400_000;
  const { no } = sqlite.prepare('select no from tasks where id = ?').get(taskId);
  const run = sqlite.prepare(
    `insert into runs (task_no, number, id, state, outcome, token_hash, chain_digest, lease_until, started_at, ended_at, stamp, platform,
       chunker, roots, excludes, files, logical_bytes, new_bytes, stored_bytes, unsaved_count, started_by, error)
     values (?, ?, lower(hex(randomblob(4)) || '-0000-4000-8000-' || hex(randomblob(6))), ?, ?, x'00', x'00', 0, ?, ?, ?, 'linux', 'x',
       cast('[]' as blob), '[]', ?, ?, ?, ?, ?, 'schedule', ?)`,
  );
  const space = sqlite.prepare(
    `insert or replace into space_days (level, subject_no, day, logical_bytes, unique_bytes, stored_bytes, reclaimable_bytes, at)
     values ('all', 0, ?, ?, ?, ?, 0, ?)`,
  );
  sqlite.transaction(() => {
    let number = 0;
    for (let back = 160; back >= 1; back -= 1) {
      if (back % 7 === 3 && back > 60) continue;
      const at = Date.now() - back * day + (back === 1 ? day - hoursAgo * 3_600_000 : 0);
      const state = back % 41 === 5 ? 'failed' : back % 23 === 7 ? 'partial' : back % 37 === 4 ? 'missed' : 'succeeded';
      const error = state === 'failed' ? 'The agent made no progress until its lease was over' : null;
      number += 1;
      const size = share * (21_000_000_000 + (160 - back) * 90_000_000);
      const counts = [48_000 - back * 9, size, share * 210_000_000, share * 87_000_000, state === 'partial' ? 3 : 0];
      run.run(
        no,
        number,
        state,
        state === 'missed' ? null : state,
        at - 190_000,
        at,
        state === 'failed' ? null : at,
        ...counts,
        error,
      );
    }
    sqlite
      .prepare(
        `update tasks set last_run_number = ?, head_run = ?, good_at = ?, good_bytes = ?, ended_outcome = 'succeeded',
           (snapshots, shown_bytes, brought_bytes, brought_stored) = (select sum(state in ('succeeded', 'partial')),
             sum(case when state in ('succeeded', 'partial') then logical_bytes else 0 end), sum(new_bytes), sum(stored_bytes)
             from runs where task_no = tasks.no)
         where no = ?`,
      )
      .run(number, number, Date.now() - hoursAgo * 3_600_000, share * 35_000_000_000, no);
    sqlite
      .prepare(
        `insert into packs (key, state, task_no, run_number, length, plain_bytes, created_at, changed_at) values ('packs/past-' || ?, 'live', ?, 1, ?, ?, 0, 0)`,
      )
      .run(no, no, share * 140_000_000_000, share * 340_000_000_000);
    for (let back = 89; back >= 0; back -= 1) {
      const at = Date.now() - back * day;
      const shown = 310_000_000_000 + (89 - back) * 5_100_000_000;
      const stored = 96_000_000_000 + (89 - back) * 610_000_000 - (back < 40 ? 9_000_000_000 : 0);
      space.run(new Date(at).toISOString().slice(0, 10), shown, stored * 1.6, stored, at);
    }
  })();
  sqlite.close();
}

/** As if their agents ran. */
function seen(names) {
  const sqlite = new BetterSqlite3(environment.DATABASE_PATH, { timeout: 10_000 });
  const ping = sqlite.prepare('update clients set last_seen_at = ?, last_ping_at = ?, online_until = ? where name = ?');
  for (const name of names) ping.run(Date.now(), Date.now(), Date.now() + 3_600_000, name);
  // Agents tell it with each ping.
  sqlite.prepare('update tasks set next_due_at = due_from where due_from > ?').run(Date.now());
  sqlite.close();
}

/** What is shown once, behind a form. */
async function dialogs(page) {
  await page.goto(`${URL_BASE}/clients/new`);
  await page.getByLabel('Name of the machine').fill('web-03');
  await page.getByRole('button', { name: 'Show the commands' }).click();
  await page.waitForLoadState();
  await page.screenshot({ path: join(TARGET, 'enrolment.png') });
  await page.goto(`${URL_BASE}/users/new`);
  await page.getByLabel('Username').fill('lena');
  await page.locator('#password').evaluate((field) => (field.value = 'short'));
  await page
    .locator('form')
    .last()
    .evaluate((form) => (form.noValidate = true));
  await page.getByRole('button', { name: 'Make the user' }).click();
  await page.waitForLoadState();
  await page.screenshot({ path: join(TARGET, 'form-refused.png') });
  await page.goto(`${URL_BASE}/profile`);
  await page.locator('summary', { hasText: 'Make a token' }).click();
  await page.getByLabel('Name', { exact: true }).fill('for the dashboard');
  await page.locator('input[name=scopes]').first().check();
  await page.getByRole('button', { name: 'Make the token' }).click();
  await page.getByText('This is shown once').waitFor();
  await page.screenshot({ path: join(TARGET, 'token.png') });
  await page.goto(`${URL_BASE}/clients?q=mail`);
  await page.locator('tbody th a').first().click();
  await page.locator('summary', { hasText: 'New secret' }).click();
  await page.getByRole('button', { name: 'Make a new secret' }).click();
  await page.getByText('This is shown once').waitFor();
  await page.screenshot({ path: join(TARGET, 'secret.png') });
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
    if (ending === '' && process.argv[2] === undefined) await dialogs(page);
    await context.close();
  }
  await browser.close();
}
