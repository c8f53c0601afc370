import { CliError, ExitCode } from './failure';

/** What the server takes, told in the words of the command line before the server is asked (libs/common: identity.dto, enrolment.dto). */
const RULES = [
  { option: 'username', takes: /^[^\p{Cc}]{1,128}$/u, what: '1 to 128 characters, no control characters' },
  {
    option: 'code',
    takes: /^[\sA-Za-z0-9-]{8,64}$/,
    what: 'a code as the server showed it: 8 to 64 letters, digits and dashes',
  },
  {
    option: 'client',
    takes: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i,
    what: "the client's id, such as 0f8fad5b-d9cb-469f-a165-70867728950e",
  },
  { option: 'name', takes: /^[^\p{Cc}]{1,128}$/u, what: '1 to 128 characters, no control characters' },
] as const;

/** Throws CliError `usage`, which never holds a value: a code is a secret. */
export function assertEnrollArguments(
  given: Readonly<Partial<Record<(typeof RULES)[number]['option'], string>>>,
): void {
  for (const { option, takes, what } of RULES) {
    const value = given[option];
    if (value !== undefined && !takes.test(value)) {
      throw new CliError('usage', `--${option} takes ${what}.`, ExitCode.usage);
    }
  }
}
