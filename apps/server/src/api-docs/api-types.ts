import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { StartError } from '../config/start-error';

/** JSON Schema, as OpenAPI 3.1 takes it. */
export type Schema = Readonly<Record<string, unknown>>;

export interface RouteTypes {
  /** The words above the method. */
  readonly description: string;
  readonly body?: Schema;
  readonly query?: Schema;
  /** Missing: the answer has no body, or is no JSON. */
  readonly answer?: Schema;
}

/** What `scripts/api-types.mjs` read from the sources when this was built. */
export interface ApiTypes {
  /** By `Controller.method`. */
  readonly routes: Readonly<Record<string, RouteTypes>>;
  readonly schemas: Readonly<Record<string, Schema>>;
}

export function readApiTypes(): ApiTypes {
  try {
    return JSON.parse(readFileSync(join(__dirname, 'api-types.generated.json'), 'utf8')) as ApiTypes;
  } catch (error) {
    throw new StartError('The types of the API are missing beside the built server: npm run build makes them.', {
      cause: error,
    });
  }
}
