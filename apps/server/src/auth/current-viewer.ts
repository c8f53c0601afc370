import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';
import { type Viewer, viewerOf } from '../pages/viewer';
import type { PersonIdentity } from '../users/person-identity';

/** Somebody who is signed in. */
export interface SignedInViewer extends Viewer {
  readonly person: PersonIdentity;
}

/** Who looks at the page; for routes with `@Page`. */
export const CurrentViewer = createParamDecorator((_: unknown, context: ExecutionContext): SignedInViewer => {
  const viewer = viewerOf(context.switchToHttp().getRequest<Request>());
  if (viewer?.person == null) throw new Error('the route asks for a viewer that its access decorator does not give');
  return { ...viewer, person: viewer.person };
});
