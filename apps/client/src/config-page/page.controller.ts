import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Controller, Get, Header, Inject, Post, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { AgentLog } from '../log/agent-log';
import { isProblem } from '../server-api/server-problem';
import { AgentService } from '../service/agent.service';
import { ServerClock } from '../service/server-clock';
import { ServerLink } from '../service/server-link';
import { messageOf } from '../service/task-run';
import { type ServiceSettings, SETTINGS } from '../service/tokens';
import type { FormFields } from './enrol-form';
import { parseEnrolForm } from './enrol-form';
import { enrolView } from './enrol-view';
import { isLoopback } from './host-list';
import { SetupCode } from './setup-code';
import { statusView } from './status-view';
import { type PageName, Templates } from './templates';
import { COOKIE, Visitors } from './visitors';

const RUNS_WITHIN_MS = 3_000;

/**
 * The configuration page: enrols this machine, then shows how it does. It never changes commands and never shows a secret.
 * What it is protected by: the Host header (page.middleware), a token in every form, and the setup code. Who is on this machine needs none
 * once it is enrolled; before that he could have all that the agent may read sent to a server of his own.
 */
@Controller()
export class PageController {
  private readonly templates = new Templates();
  private readonly visitors = new Visitors();
  private readonly setupCode: SetupCode;

  constructor(
    @Inject(SETTINGS) private readonly settings: ServiceSettings,
    private readonly agent: AgentService,
    private readonly link: ServerLink,
    private readonly clock: ServerClock,
    private readonly log: AgentLog,
  ) {
    this.setupCode = new SetupCode((code) => {
      log.local(`setup code of the configuration page: ${code} (for one browser, valid for a day)`);
    });
    if (!this.isOnLoopback) this.setupCode.offer();
  }

  @Get('style.css')
  @Header('content-type', 'text/css; charset=utf-8')
  style(): string {
    return this.templates.style;
  }

  @Get()
  async show(@Req() request: Request, @Res() response: Response): Promise<void> {
    const visitor = this.visit(request, response);
    if (!this.isLetIn(visitor)) {
      this.setupCode.offer();
      this.unlockPage(response, visitor, null);
    } else if (this.agent.current === null) {
      this.enrolPage(response, visitor, { fields: {}, problems: {}, problem: null });
    } else {
      await this.statusPage(response, visitor, request.query['done']);
    }
  }

  @Post('unlock')
  unlock(@Req() request: Request, @Res() response: Response): void {
    const visitor = this.visitorOfForm(request, response);
    if (visitor === null) return;
    const { code } = request.body as FormFields;
    const answer = this.setupCode.check(typeof code === 'string' ? code : '');
    if (answer !== 'right') {
      this.log.warn('the configuration page was given a wrong setup code');
      response.status(answer === 'wrong' ? 403 : 429);
      const problem =
        answer === 'wrong' ? 'This is not the code.' : 'Too many codes were tried: wait a minute, then try again.';
      this.unlockPage(response, visitor, problem);
      return;
    }
    this.log.info('a browser was let into the configuration page with the setup code');
    // Another cookie from here on: whoever planted the one before is not let in with it.
    this.visitors.letInVisitor(this.giveCookie(response));
    response.redirect(303, './');
  }

  @Post('enrol')
  async enrol(@Req() request: Request, @Res() response: Response): Promise<void> {
    const visitor = this.visitorOfForm(request, response);
    if (visitor === null || !this.assertLetIn(response, visitor)) return;
    const fields = request.body as FormFields;
    if (this.agent.current !== null) {
      response.redirect(303, './');
      return;
    }
    const { serverUrl, clientName, monitoredPaths, hostRoot, allowInsecureHttp } = this.settings;
    const form = parseEnrolForm(fields, {
      fixed: { serverUrl, clientName, paths: monitoredPaths },
      allowInsecureHttp,
      isFolder: (path) => existsSync(hostRoot === null ? path : join(hostRoot, path)),
    });
    if ('problems' in form) {
      response.status(422);
      this.enrolPage(response, visitor, {
        fields,
        problems: form.problems,
        problem: 'Some of this cannot be used yet.',
      });
      return;
    }
    try {
      await this.agent.enrolAs(form.wanted, form.credentials);
      response.redirect(303, './?done=enrolled');
    } catch (error) {
      response.status(422);
      this.enrolPage(response, visitor, { fields, problems: {}, problem: wordsFor(error) });
    }
  }

  @Post('run')
  run(@Req() request: Request, @Res() response: Response): void {
    const visitor = this.visitorOfForm(request, response);
    if (visitor === null || !this.assertLetIn(response, visitor)) return;
    const { task } = request.body as FormFields;
    const work = this.agent.current;
    const found = work?.session.tasks().find(({ key }) => key === task);
    if (work === null || found === undefined) {
      this.message(response.status(404), 'There is no such task (any more).');
      return;
    }
    work.runner.request(found.key, { trigger: 'manual', dueMs: null });
    response.redirect(303, './?done=run');
  }

  private get isOnLoopback(): boolean {
    return isLoopback(this.settings.page.host);
  }

  private get needsCode(): boolean {
    return !this.isOnLoopback || this.agent.current === null;
  }

  private isLetIn(visitor: string): boolean {
    return !this.needsCode || this.visitors.isLetIn(visitor);
  }

  private assertLetIn(response: Response, visitor: string): boolean {
    if (this.isLetIn(visitor)) return true;
    this.unlockPage(response.status(403), visitor, 'Give the setup code first.');
    return false;
  }

  private visit(request: Request, response: Response): string {
    return this.visitors.visitorOf(request.headers.cookie) ?? this.giveCookie(response);
  }

  private giveCookie(response: Response): string {
    const visitor = this.visitors.newVisitor();
    response.setHeader('set-cookie', `${COOKIE}=${visitor}; HttpOnly; SameSite=Strict; Path=/`);
    return visitor;
  }

  /** Null, and answered, when the form is not one of ours. */
  private visitorOfForm(request: Request, response: Response): string | null {
    const visitor = this.visitors.visitorOf(request.headers.cookie);
    const { token } = (request.body ?? {}) as FormFields;
    if (visitor !== null && typeof token === 'string' && this.visitors.isFormToken(visitor, token)) return visitor;
    this.message(response.status(403), 'This form is too old, or did not come from this page. Nothing was done.');
    return null;
  }

  private unlockPage(response: Response, visitor: string, problem: string | null): void {
    this.send(response, 'unlock', { title: 'Setup code', token: this.visitors.formToken(visitor), problem });
  }

  private enrolPage(
    response: Response,
    visitor: string,
    form: { fields: FormFields; problems: Readonly<Record<string, string>>; problem: string | null },
  ): void {
    const { serverUrl, clientName, monitoredPaths } = this.settings;
    const fixed = { serverUrl, clientName, paths: monitoredPaths };
    const view = enrolView({ ...form, fixed, suggested: this.agent.wanted() });
    this.send(response, 'enrol', { ...view, title: 'Enrol this machine', token: this.visitors.formToken(visitor) });
  }

  private async statusPage(response: Response, visitor: string, done: unknown): Promise<void> {
    const work = this.agent.current;
    if (work === null) return;
    const { session, runner } = work;
    const { identity, fleet } = session.parts;
    const isOnline = this.link.state.is === 'online';
    const runs = isOnline
      ? await within(
          RUNS_WITHIN_MS,
          fleet.recentRuns().then((answer) => answer.runs),
        )
      : null;
    const { running } = runner;
    const view = statusView({
      clientName: session.clientName,
      clientId: identity.clientId,
      publicUrl: session.lastConfig.publicUrl,
      serverUrl: identity.serverUrl,
      link: this.link.state,
      tasks: session.tasks(),
      nextDueMs: (key) => work.clock.nextDueMs(key),
      running:
        running === null
          ? null
          : {
              key: running.task.key,
              phase: running.progress.current.phase,
              files: running.progress.current.progress?.entries ?? 0,
            },
      waitingKeys: runner.waitingKeys,
      runs,
      clockAheadMs: this.clock.clockAheadMs,
    });
    const notices: Record<string, string> = {
      enrolled: 'This machine is enrolled. Its first backup begins now.',
      run: 'The run is in the queue.',
    };
    const notice = typeof done === 'string' ? notices[done] : undefined;
    this.send(response, 'status', { ...view, title: 'Status', token: this.visitors.formToken(visitor), notice });
  }

  private message(response: Response, text: string): void {
    this.send(response, 'message', { title: 'Not done', text });
  }

  private send(response: Response, name: PageName, view: object): void {
    response.type('html').send(this.templates.render(name, view));
  }
}

/** Null when it fails or takes longer: the page is shown without it. */
async function within<T>(ms: number, work: Promise<T>): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<null>((resolve) => {
    timer = setTimeout(resolve, ms, null);
  });
  try {
    return await Promise.race([work.catch(() => null), limit]);
  } finally {
    clearTimeout(timer);
  }
}

function wordsFor(error: unknown): string {
  if (isProblem(error, 'unauthenticated')) return 'The server does not accept these credentials.';
  return `This machine could not be enrolled: ${messageOf(error)}`;
}
