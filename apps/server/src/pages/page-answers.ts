import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request, Response } from 'express';
import { map, type Observable } from 'rxjs';
import { ACCESS, type Access } from '../auth/access';
import type { PageAnswer } from './page';

/** Makes HTML of what the handlers of pages answer. */
export class PageAnswers implements NestInterceptor {
  private readonly reflector = new Reflector();

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const access = this.reflector.get<Access | undefined, symbol>(ACCESS, context.getHandler());
    if (access?.kind !== 'page' && access?.kind !== 'public-page') return next.handle();
    const http = context.switchToHttp();
    return next.handle().pipe(
      map((answer: PageAnswer | undefined) =>
        // One that streams has answered by itself.
        answer?.send(http.getRequest<Request>(), http.getResponse<Response>()),
      ),
    );
  }
}
