import type { SavedSettings } from '../state/service-state';
import type { EnrolFormRules, FormFields } from './enrol-form';

export interface EnrolFacts {
  readonly fields: FormFields;
  readonly problems: Readonly<Record<string, string>>;
  readonly problem: string | null;
  readonly fixed: EnrolFormRules['fixed'];
  readonly suggested: SavedSettings;
}

/** Pure: the form, with what was typed but for secrets, which are never sent back. */
export function enrolView({ fields, problems, problem, fixed, suggested }: EnrolFacts): object {
  const typed = (name: string, otherwise: string): string => {
    const value = fields[name];
    return typeof value === 'string' ? value : otherwise;
  };
  const field = (name: string, label: string, help: string, more: object): object => ({
    name,
    label,
    help,
    problem: problems[name] ?? null,
    ...more,
  });
  const server = fixed.serverUrl === null ? { type: 'url', value: typed('serverUrl', suggested.serverUrl) } : null;
  const name = fixed.clientName === null ? { type: 'text', value: typed('clientName', suggested.clientName) } : null;
  const folders =
    fixed.paths.length === 0 ? { isText: true, value: typed('folders', suggested.monitoredPaths.join('\n')) } : null;
  return {
    problem,
    fields: [
      field(
        'serverUrl',
        'Server',
        'Its address, such as https://backup.example.org',
        server ?? asFixed(fixed.serverUrl ?? ''),
      ),
      field('username', 'User name', 'A user of the server, who will own this client.', {
        type: 'text',
        value: typed('username', ''),
      }),
      field('password', 'Password', 'Used once, to enrol. It is not kept.', { type: 'password', value: '' }),
      field('code', 'Or an enrolment code', 'Instead of user name and password.', { type: 'text', value: '' }),
      field(
        'clientName',
        'Name of this client',
        'A client of this name that the user has already is attached to this machine.',
        name ?? asFixed(fixed.clientName ?? ''),
      ),
      field(
        'folders',
        'Folders',
        'What is backed up: absolute paths, one a line.',
        folders ?? asFixed(fixed.paths.join(', ')),
      ),
    ],
  };
}

function asFixed(value: string): object {
  return { isFixed: true, value };
}
