import type { Gap, Registry, Silence } from "@signalbox/experience";
import type { VerdictData } from "./event-data.js";

/** What tells whom the silence of a producer concerns. */
export interface KnownTypes {
  readonly registry: () => Registry;
  /** Configured ones; all others are `other`. */
  readonly types: readonly string[];
}

type Judged = Pick<
  VerdictData,
  "tenant" | "covered_experience_id" | "type" | "last_type" | "started_at" | "verdict_at"
>;

/**
 * Whether a verdict may be wrong because of gaps: one lies between start and verdict, and checkpoints of this run may have
 * been missing in it. Those of a silent producer may be missing where its types take part in the experience; where the
 * definition does not say who takes part, where the run was decided or last seen by one of them.
 */
export function isInGap(verdict: Judged, gaps: readonly Gap[], known: KnownTypes): boolean {
  const toMs = Date.parse(verdict.verdict_at);
  const fromMs = verdict.started_at === undefined ? toMs : Date.parse(verdict.started_at);
  return gaps.some(
    (gap) =>
      gap.fromMs < toMs && endOf(gap) > fromMs && (gap.silence === undefined || concerns(gap.silence, verdict, known)),
  );
}

/** The list of gaps is some seconds old; what went on then is taken to go on. */
function endOf({ toMs, silence }: Gap): number {
  return silence?.goesOn ? Number.POSITIVE_INFINITY : toMs;
}

function concerns(silence: Silence, verdict: Judged, { registry, types }: KnownTypes): boolean {
  if (silence.tenant !== verdict.tenant) return false;
  const silent = new Set(silence.types);
  const isSilent = (type: string): boolean => silent.has(types.includes(type) ? type : "other");
  const takingPart = registry().get(verdict.covered_experience_id)?.types ?? [];
  if (takingPart.length > 0) return takingPart.some(isSilent);
  return isSilent(verdict.type) || (verdict.last_type !== undefined && isSilent(verdict.last_type));
}

/**
 * A silence is known only when it has lasted for a while. Verdicts that were written until then are written again, with
 * nothing changed but that they are in a gap. Repeating it changes nothing more.
 */
export function markEarlierVerdicts(gap: Gap, silence: Silence, { registry, types }: KnownTypes) {
  const listed = registry().definitions.filter((definition) => definition.types.length > 0);
  const silent = new Set(silence.types);
  const concerned = listed.filter((definition) =>
    definition.types.some((type) => silent.has(types.includes(type) ? type : "other")),
  );
  const isSilent = (column: string): string =>
    `if(${column} IN {types:Array(String)}, ${column}, 'other') IN {silent:Array(String)}`;
  return {
    // Conditions of their own query: beside the replacement its name would mean the new value.
    sql: `INSERT INTO experience_verdicts SELECT * REPLACE (true AS in_measurement_gap) FROM (
      SELECT * FROM experience_verdicts FINAL WHERE tenant = {tenant:String} AND NOT in_measurement_gap
        AND verdict_at > fromUnixTimestamp64Milli({from:Int64})
        AND ifNull(started_at, verdict_at) < fromUnixTimestamp64Milli({to:Int64})
        AND (covered_experience_id IN {concerned:Array(String)}
          OR covered_experience_id NOT IN {listed:Array(String)}
            AND (${isSilent("type")} OR last_type <> '' AND ${isSilent("last_type")})))
      SETTINGS insert_deduplicate = 0`,
    params: {
      tenant: silence.tenant,
      from: gap.fromMs,
      to: gap.toMs,
      types: [...types],
      silent: [...silent],
      concerned: concerned.map(({ id }) => id),
      listed: listed.map(({ id }) => id),
    },
  };
}
