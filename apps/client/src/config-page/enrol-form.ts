import { isAbsolute, resolve } from 'node:path';
import { parseServerAddress } from '../config/server-address';
import type { Credentials } from '../config/service-settings';
import type { SavedSettings } from '../state/service-state';

/** What a browser sent, unchecked. */
export type FormFields = Readonly<Record<string, unknown>>;

export interface EnrolFormRules {
  /** What the environment sets: the form does not change it. */
  readonly fixed: {
    readonly serverUrl: string | null;
    readonly clientName: string | null;
    readonly paths: readonly string[];
  };
  readonly allowInsecureHttp: boolean;
  readonly isFolder: (path: string) => boolean;
}

export type EnrolForm =
  | { readonly wanted: SavedSettings; readonly credentials: Credentials }
  /** By the field's name. */
  | { readonly problems: Readonly<Record<string, string>> };

/** Pure: reads the form; all that is wrong is told at once. */
export function parseEnrolForm(fields: FormFields, { fixed, allowInsecureHttp, isFolder }: EnrolFormRules): EnrolForm {
  const problems: Record<string, string> = {};
  const text = (name: string): string => {
    const value = fields[name];
    return typeof value === 'string' ? value.trim() : '';
  };
  const serverUrl = fixed.serverUrl ?? parseUrl(text('serverUrl'), allowInsecureHttp, problems);
  const clientName = fixed.clientName ?? text('clientName');
  if (!/^[^\p{Cc}]{1,128}$/u.test(clientName)) problems['clientName'] = 'A name has 1 to 128 characters.';
  const paths = fixed.paths.length > 0 ? fixed.paths : parsePaths(text('folders'), isFolder, problems);
  const credentials = parseCredentials(fields, text, problems);
  if (credentials === null || Object.keys(problems).length > 0) return { problems };
  return { wanted: { serverUrl, clientName, monitoredPaths: paths }, credentials };
}

function parseUrl(text: string, allowInsecureHttp: boolean, problems: Record<string, string>): string {
  const address = parseServerAddress(text, { allowInsecureHttp });
  if ('url' in address) return address.url;
  problems['serverUrl'] = `The address ${address.problem}.`;
  return '';
}

function parsePaths(text: string, isFolder: (path: string) => boolean, problems: Record<string, string>): string[] {
  const lines = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const paths = [...new Set(lines.map((line) => (isAbsolute(line) ? resolve(line) : line)))];
  const wrong = paths.find((path) => !isAbsolute(path) || path.includes('\0') || !isFolder(path));
  if (paths.length === 0) problems['folders'] = 'Name at least one folder, one a line.';
  else if (paths.length > 1_000) problems['folders'] = 'At most 1,000 folders can be named.';
  else if (wrong !== undefined) problems['folders'] = `This is no folder or file of this machine: ${wrong}`;
  return paths;
}

function parseCredentials(
  fields: FormFields,
  text: (name: string) => string,
  problems: Record<string, string>,
): Credentials | null {
  const code = text('code');
  const username = text('username');
  // Blanks may be part of a password.
  const password = typeof fields['password'] === 'string' ? fields['password'] : '';
  if (code !== '') return { kind: 'code', code };
  if (username !== '' && password !== '') return { kind: 'password', username, password };
  if (username === '' && password === '') problems['code'] = 'Give a user name and a password, or an enrolment code.';
  else if (username === '') problems['username'] = 'Give the user name, too.';
  else problems['password'] = 'Give the password, too.';
  return null;
}
