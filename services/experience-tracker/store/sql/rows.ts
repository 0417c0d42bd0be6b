import type { RunIdentity } from "@signalbox/experience";

/** Columns that name a run, in the order of the primary key. */
export const identityColumns = "tenant, experience_id, correlation_id, run";
export const identityMatch = "tenant = ? and experience_id = ? and correlation_id = ? and run = ?";

export type IdentityValues = readonly [string, string, string, string];

export function identityValues({ tenant, experienceId, correlationId, run }: RunIdentity): IdentityValues {
  return [tenant, experienceId, correlationId, run];
}

export function identityOfRow(row: Readonly<Record<string, unknown>>): RunIdentity {
  return {
    tenant: textOf(row["tenant"]),
    experienceId: textOf(row["experience_id"]),
    correlationId: textOf(row["correlation_id"]),
    run: textOf(row["run"]),
  };
}

export function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

export function numberOf(value: unknown): number | undefined {
  return value === null || value === undefined ? undefined : Number(value);
}
