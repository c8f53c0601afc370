import type { Socket } from 'node:net';
import { Injectable, Logger, type NestMiddleware } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import { Metrics } from './metrics';

/** Measures every request, and tells it to the log at `debug`. */
@Injectable()
export class HttpMetrics implements NestMiddleware {
  private readonly logger = new Logger('Http');
  private readonly counted = new WeakMap<Socket, { readonly bytesRead: number; readonly bytesWritten: number }>();

  constructor(private readonly metrics: Metrics) {}

  use(request: Request, response: Response, next: NextFunction): void {
    const { metrics } = this;
    const { socket } = request;
    const startedAt = performance.now();
    metrics.requestsInFlight.inc();
    response.once('close', () => {
      metrics.requestsInFlight.dec();
      this.countBytes(socket);
      const { method } = request;
      // Patterns, never paths: those hold ids, and would make a series each.
      const route = routeOf(request);
      const status = response.writableFinished ? String(response.statusCode) : 'aborted';
      const seconds = (performance.now() - startedAt) / 1_000;
      metrics.requests.observe({ method: KNOWN_METHODS.has(method) ? method : 'other', route, status }, seconds);
      this.logger.debug({ msg: `${method} ${request.path} ${status}`, route, status, seconds });
    });
    next();
  }

  /** What went through the connection since its last request ended: heads and what the request was refused for, too. */
  private countBytes(socket: Socket): void {
    const { bytesRead, bytesWritten } = socket;
    const counted = this.counted.get(socket) ?? { bytesRead: 0, bytesWritten: 0 };
    this.metrics.receivedBytes.inc(Math.max(0, bytesRead - counted.bytesRead));
    this.metrics.sentBytes.inc(Math.max(0, bytesWritten - counted.bytesWritten));
    this.counted.set(socket, { bytesRead, bytesWritten });
  }
}

const KNOWN_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** Nobody makes a series by asking for what is not there. */
function routeOf(request: Request): string {
  const route = request.route as { path?: unknown } | undefined;
  return typeof route?.path === 'string' ? route.path : 'none';
}
