import { Logger } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { urlencoded, type NextFunction, type Request, type Response } from 'express';
import { API } from '#common';
import { ServerSettings } from '../config/server-settings';
import { Connections } from './connections';
import { DomainError } from './domain-error';
import { forwardedFor } from './forwarded-for';
import { JsonBodies } from './json-bodies';
import { Metrics } from '../metrics/metrics';
import { PageAnswers } from '../pages/page-answers';
import { PageForms } from '../pages/page-forms';
import { ProblemFilter } from './problem.filter';
import { requestIds } from './request-id';
import { boundUnreadBodies } from './unread-bodies';
import { validationPipe } from './validation';

const FORM_LIMIT = '16kb';

/** Everything about HTTP that holds for all routes; for an application made with `bodyParser: false`. */
export function configureHttp(app: NestExpressApplication): Connections {
  app.disable('x-powered-by');
  app.disable('etag');
  const settings = app.get(ServerSettings, { strict: false });
  const { trustProxy, maxConnections, maxConnectionsPerAddress } = settings;
  // Off by default: anybody may send X-Forwarded-For.
  app.set('trust proxy', trustProxy ?? false);
  const logger = new Logger('Http');
  const warn = (message: string): void => {
    logger.warn(message);
  };
  const refused = app.get(Metrics, { strict: false }).refusedConnections;
  const connections = new Connections(app.getHttpServer(), {
    maxConnections,
    // Behind proxies all come from few addresses.
    maxPerAddress: trustProxy === null ? maxConnectionsPerAddress : null,
    refusals: {
      warn,
      count: (limit) => {
        refused.inc({ limit });
      },
    },
  });
  connections.watch();
  const forwarded = forwardedFor(trustProxy !== null, warn);
  app.use(requestIds, forwarded, securityHeaders, refuseNul, boundUnreadBodies);
  app.use(API.login, urlencoded({ limit: FORM_LIMIT, extended: false, inflate: false }));
  app.useGlobalInterceptors(new JsonBodies(), new PageForms(), new PageAnswers());
  app.useGlobalPipes(validationPipe());
  app.useGlobalFilters(new ProblemFilter());
  return connections;
}

/** Without Strict-Transport-Security: it would hold for every port of the host, and for what else is served there over plain http. */
function securityHeaders(_request: Request, response: Response, next: NextFunction): void {
  response.setHeader('cache-control', 'no-store');
  response.setHeader('x-content-type-options', 'nosniff');
  next();
}

/** No id, name or search has it, and PostgreSQL takes no text with it. */
function refuseNul(request: Request, _response: Response, next: NextFunction): void {
  next(request.url.includes('%00') ? new DomainError('invalid', 'The address has NUL.') : undefined);
}
