import type { Request, Response } from 'express';
import type { Problem } from '#common';
import { renderPage } from './page';
import { viewerOf } from './viewer';

const TITLES: Readonly<Record<number, string>> = {
  403: 'Not allowed',
  404: 'Not found',
  409: 'Not possible now',
  413: 'Too large',
  422: 'Not understood',
  429: 'Slow down',
  500: 'Something broke',
  503: 'Not available',
};

/** At the address of a page everybody gets one, elsewhere browsers; whoever calls the API gets problem+json. */
export function wantsPage(request: Request): boolean {
  if (viewerOf(request) !== null) return true;
  if (/^\/(api|health)(\/|$)/.test(request.path)) return false;
  return request.headers.accept?.includes('text/html') === true;
}

/** An error as a page: what failed, what to do, and the id under which the log knows more. */
export function sendProblemPage(
  problem: Problem,
  { request, response, requestId }: { request: Request; response: Response; requestId: string },
): void {
  if (problem.status === 401) {
    response
      .status(303)
      .setHeader('location', `/login${targetOf(request)}`)
      .end();
    return;
  }
  const view = {
    title: TITLES[problem.status] ?? 'Not done',
    status: problem.status,
    detail: problem.detail,
    requestId: problem.status >= 500 ? requestId : null,
  };
  response.status(problem.status).send(renderPage({ name: 'problem', view }, request, response));
}

/** Where to go once signed in: pages can be asked for again, what a form would have done cannot. */
function targetOf(request: Request): string {
  const isPage = request.method === 'GET' || request.method === 'HEAD';
  return isPage && request.originalUrl !== '/' ? `?to=${encodeURIComponent(request.originalUrl)}` : '';
}
