import { type ContentRef, type Entry } from '#engine';

/** What can differ between two versions of a path, in the words of the command line. */
export type Difference =
  'kind' | 'content' | 'mode' | 'owner' | 'mtime' | 'link-target' | 'xattrs' | 'device' | 'hard-links' | 'holes';

type Compared = readonly [Difference, (entry: Entry) => string];

const COMPARED: readonly Compared[] = [
  ['kind', ({ kind }) => kind],
  ['content', ({ content }) => contentText(content)],
  ['mode', ({ mode }) => String(mode)],
  ['owner', ({ uid, gid }) => `${uid}:${gid}`],
  ['mtime', ({ mtimeNs }) => String(mtimeNs)],
  ['link-target', ({ linkTarget }) => linkTarget?.toString('latin1') ?? ''],
  ['xattrs', xattrsText],
  ['device', ({ device }) => (device === undefined ? '' : `${device.major},${device.minor}`)],
  ['hard-links', ({ hardLinkGroup }) => String(hardLinkGroup)],
  ['holes', ({ isSparse }) => String(isSparse)],
];

/** In the order of {@link Difference}; empty exactly when the entries are equal. */
export function differencesOf(before: Entry, after: Entry): Difference[] {
  return COMPARED.filter(([, of]) => of(before) !== of(after)).map(([difference]) => difference);
}

function contentText(content: ContentRef | null | undefined): string {
  return content === null || content === undefined
    ? ''
    : `${content.height} ${content.size} ${content.id.toString('latin1')}`;
}

function xattrsText({ xattrs, xattrContent }: Entry): string {
  const inline = (xattrs ?? []).map(({ name, value }) => `${name.toString('base64')}=${value.toString('base64')}`);
  return `${inline.join(' ')} ${contentText(xattrContent)}`;
}
