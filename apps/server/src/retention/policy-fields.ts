import type { RetentionPolicyFields, RetentionPolicyRequest } from '#common';
import type { RetentionPolicy } from '#engine';

/** Names on the wire. */
export function fieldsOf(policy: RetentionPolicy): RetentionPolicyFields {
  return {
    retention_kind: policy.kind,
    retention_versions: policy.versions,
    retention_days: policy.days,
    deleted_days: policy.deletedDays,
    keep_last: policy.keepLast,
    keep_hourly: policy.keepHourly,
    keep_daily: policy.keepDaily,
    keep_weekly: policy.keepWeekly,
    keep_monthly: policy.keepMonthly,
    keep_yearly: policy.keepYearly,
  };
}

export function policyOf(request: RetentionPolicyRequest): RetentionPolicy {
  return {
    kind: request.retention_kind ?? null,
    versions: request.retention_versions ?? null,
    days: request.retention_days ?? null,
    deletedDays: request.deleted_days ?? null,
    keepLast: request.keep_last ?? null,
    keepHourly: request.keep_hourly ?? null,
    keepDaily: request.keep_daily ?? null,
    keepWeekly: request.keep_weekly ?? null,
    keepMonthly: request.keep_monthly ?? null,
    keepYearly: request.keep_yearly ?? null,
  };
}
