import type { Request, Response } from 'express';
import { formToken } from './form-token';
import type { FormProblem } from './form-problem';
import { menuOf } from './navigation';
import { leaveNotice, takeNotice } from './notice';
import { pageParts } from './page-parts';
import { viewerOf } from './viewer';

/** Nothing but what this server sends; no script and no style inside a page. */
const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'x-frame-options': 'DENY',
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

export interface PageView extends Readonly<Record<string, unknown>> {
  /** Of the window. */
  readonly title: string;
  /** Parameters of the page's stream of events; left out: nothing on it is live. */
  readonly events?: string;
}

/** What a page's handler answers. */
export interface PageAnswer {
  send(request: Request, response: Response): string;
}

/** A view below views/pages. `problem`: what was wrong with the form that it shows again. */
export function showPage(
  name: string,
  view: PageView,
  { status, problem }: { status?: number; problem?: FormProblem | null } = {},
): PageAnswer {
  return {
    send: (request, response) => {
      response.status(status ?? problem?.status ?? 200);
      if (typeof problem?.retryAfterSeconds === 'number') response.setHeader('retry-after', problem.retryAfterSeconds);
      return renderPage({ name, view: { ...view, problem: problem ?? null } }, request, response);
    },
  };
}

/** Another page of ours, asked for anew: what a form that was taken answers. */
export function goTo(path: string, notice?: string): PageAnswer {
  return {
    send: (request, response) => {
      if (notice !== undefined) leaveNotice(notice, request, response);
      response.status(303).setHeader('location', path);
      return '';
    },
  };
}

/** The HTML of a page with its frame; sets the headers that every page has. */
export function renderPage(
  { name, view }: { name: string; view: PageView },
  request: Request,
  response: Response,
): string {
  const viewer = viewerOf(request);
  const { templates, assets } = pageParts();
  for (const [header, value] of Object.entries(HEADERS)) response.setHeader(header, value);
  response.type('html');
  const person = viewer?.person ?? null;
  return templates.render(name, {
    ...view,
    frame: {
      username: person?.username ?? null,
      initial: person?.username.slice(0, 1).toUpperCase() ?? '',
      menu: person === null ? [] : menuOf(person, request.path),
      csrf: viewer === null ? null : formToken(viewer.token),
      notice: takeNotice(request, response),
      style: assets.address('style.css'),
      icon: assets.address('icon.svg'),
      script: view.events === undefined ? null : assets.address('live.js'),
      events: view.events ?? null,
      isProfile: request.path === '/profile',
    },
  });
}
