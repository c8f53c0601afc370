import { Catch, Logger, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { Request, Response } from 'express';
import type { Problem } from '#common';
import { sendProblemPage, wantsPage } from '../pages/problem-page';
import { problemOf, retryAfterSeconds } from './problem';
import { requestIdOf } from './request-id';

/** The one place where errors become answers: `application/problem+json` (RFC 9457), and pages for browsers. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger('Http');

  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<Request>();
    const response = host.switchToHttp().getResponse<Response>();
    // Nobody is there to be answered; what the request read or wrote last failed because of that.
    if (request.socket.destroyed) return;
    const problem = problemOf(error, requestIdOf(response));
    if (problem.status >= 500) this.log(error, problem, { request, response });
    if (response.headersSent) {
      // The rest of the answer will not come: only a cut connection tells the caller so.
      response.destroy();
      return;
    }
    const seconds = retryAfterSeconds(problem);
    if (seconds !== null) response.setHeader('retry-after', seconds);
    if (wantsPage(request)) {
      sendProblemPage(problem, { request, response, requestId: requestIdOf(response) });
      return;
    }
    if (problem.status === 401) response.setHeader('www-authenticate', 'Bearer');
    response.status(problem.status).type('application/problem+json').send(JSON.stringify(problem));
  }

  private log(error: unknown, problem: Problem, exchange: { request: Request; response: Response }): void {
    const { request, response } = exchange;
    // The path without its query, which names files.
    const { code } = problem;
    const what = `${request.method} ${request.path} failed`;
    const fields = { requestId: requestIdOf(response), code };
    const words = error instanceof Error ? messages(error) : String(error);
    const entry = { msg: `${what}: ${words}`, ...fields };
    if (code !== 'internal' && code !== 'corrupt') this.logger.warn(entry);
    else this.logger.error({ ...entry, stack: error instanceof Error ? describe(error) : undefined });
  }
}

function describe(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${describe(error.cause)}` : '';
  return `${error.stack ?? error.message}${cause}`;
}

function messages(error: Error): string {
  return error.cause instanceof Error ? `${error.message} <- ${messages(error.cause)}` : error.message;
}
