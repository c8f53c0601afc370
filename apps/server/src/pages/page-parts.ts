import { Assets } from './assets';
import { Templates } from './templates';

interface PageParts {
  readonly templates: Templates;
  readonly assets: Assets;
}

let parts: PageParts | undefined;

/** What all pages are made of: files of the build, read once and never changed. */
export function pageParts(): PageParts {
  parts ??= { templates: new Templates(), assets: new Assets() };
  return parts;
}
