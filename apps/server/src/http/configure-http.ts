import type { NestExpressApplication } from '@nestjs/platform-express';
import { json, urlencoded, type NextFunction, type Request, type Response } from 'express';
import { API } from '#common';
import { Connections } from './connections';
import { ProblemFilter } from './problem.filter';
import { requestIds } from './request-id';
import { boundUnreadBodies } from './unread-bodies';
import { validationPipe } from './validation';

const JSON_LIMIT = '2mb';
const FORM_LIMIT = '16kb';

/** Everything about HTTP that holds for all routes; for an application made with `bodyParser: false`. */
export function configureHttp(app: NestExpressApplication): Connections {
  app.disable('x-powered-by');
  app.disable('etag');
  const connections = new Connections(app.getHttpServer());
  connections.watch();
  app.use(requestIds, securityHeaders, boundUnreadBodies);
  // Bodies of other content types stay unread: the route gets the stream itself.
  app.use(json({ limit: JSON_LIMIT, strict: true, inflate: false }));
  app.use(API.login, urlencoded({ limit: FORM_LIMIT, extended: false, inflate: false }));
  app.useGlobalPipes(validationPipe());
  app.useGlobalFilters(new ProblemFilter());
  return connections;
}

function securityHeaders(_request: Request, response: Response, next: NextFunction): void {
  response.setHeader('cache-control', 'no-store');
  response.setHeader('x-content-type-options', 'nosniff');
  next();
}
