import { type RetentionPolicyFields, RetentionPolicyRequest } from '#common';
import type { FormFields } from '../pages/form-fields';
import { requestOf } from '../pages/form-problem';

const NUMBERS = [
  ['retention_versions', 'Versions of each file', 'The newest so many contents; 0: no limit.'],
  ['retention_days', 'Days', 'What was current within so many days; 0: no limit.'],
  ['deleted_days', 'Days after a deletion', 'A deleted file goes for good after so many days; 0: never.'],
  ['keep_last', 'Last backups', ''],
  ['keep_hourly', 'Hourly', ''],
  ['keep_daily', 'Daily', ''],
  ['keep_weekly', 'Weekly', ''],
  ['keep_monthly', 'Monthly', ''],
  ['keep_yearly', 'Yearly', ''],
] as const;
const SENTENCE = 'A whole number, or nothing to inherit.';

/** Pure: the fields of a policy as a form shows them. */
export function policyInputs(text: (name: string) => string) {
  return NUMBERS.map(([name, label, help]) => ({ name, label, help, value: text(name) }));
}

export function policyText(policy: RetentionPolicyFields): (name: string) => string {
  const values = policy as unknown as Readonly<Record<string, string | number | null>>;
  return (name) => String(values[name] ?? '');
}

/** The API's request; a blank field inherits. Throws what a form shows. */
export function policyRequest(fields: FormFields): RetentionPolicyRequest {
  const kind = fields.optional('retention_kind') ?? null;
  const numbers = Object.fromEntries(
    NUMBERS.map(([name]): [string, number | null] => [name, fields.number(name) ?? null]),
  );
  const sentences = Object.fromEntries(NUMBERS.map(([name]) => [name, SENTENCE]));
  return requestOf(RetentionPolicyRequest, { ...numbers, retention_kind: kind }, sentences);
}
