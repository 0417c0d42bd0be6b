import type { Database } from "@signalbox/database";
import { dashed } from "../digest/user-counts.js";
import type { IssueTables } from "../store/tables.js";

/** Whose data is to go: whoever is named by any of them. */
export interface UserNames {
  readonly id?: string | undefined;
  readonly email?: string | undefined;
  readonly address?: string | undefined;
}

/** Part of a condition on `error_events`, with its values. */
export interface RowCondition {
  readonly sql: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** Rows that name a user. `prefix` tells the parameters of several conditions apart. */
export function namesUser({ id, email, address }: UserNames, prefix = ""): RowCondition {
  const [idName, emailName, addressName] = [`${prefix}user_id`, `${prefix}user_email`, `${prefix}user_address`];
  const parts = [
    ...(id ? [`user_id = {${idName}:String}`] : []),
    ...(email ? [`lower(user_email) = lower({${emailName}:String})`] : []),
    ...(address ? [`user_ip = {${addressName}:String}`] : []),
  ];
  return {
    sql: parts.length === 0 ? "0" : `(${parts.join(" OR ")})`,
    params: { [idName]: id ?? "", [emailName]: email ?? "", [addressName]: address ?? "" },
  };
}

const nothing: RowCondition = { sql: "", params: {} };

/**
 * Begins with `AND`, or is empty: leaves out what somebody asked to delete and what is still there, of one project or of
 * all.
 */
export async function withoutDeleted(database: Database, projectId?: number): Promise<RowCondition> {
  const waiting = database
    .reader<IssueTables>()
    .selectFrom("error_deletions")
    .select(["project_id", "kind", "subject", "requested_at_ms"])
    .where("next_run_at_ms", "is not", null)
    .where("kind", "in", ["event", "user", "issue"]);
  const jobs = await (projectId === undefined ? waiting : waiting.where("project_id", "=", projectId)).execute();
  if (jobs.length === 0) return nothing;
  const params: Record<string, unknown> = {};
  const conditions = jobs.map(({ project_id, kind, subject, requested_at_ms }, index) => {
    const {
      eventId,
      user,
      hashes = [],
    }: { eventId?: string; user?: UserNames; hashes?: string[] } = JSON.parse(subject);
    const prefix = `gone${index}_`;
    params[`${prefix}project`] = project_id;
    const ofProject = `project_id = {${prefix}project:UInt64}`;
    if (kind === "event") {
      params[`${prefix}event`] = dashed(eventId ?? "0".repeat(32));
      return `(${ofProject} AND event_id = {${prefix}event:UUID})`;
    }
    params[`${prefix}until`] = new Date(requested_at_ms).toISOString();
    const before = `${ofProject} AND received_at <= {${prefix}until:DateTime64(3, 'UTC')}`;
    if (kind === "issue") {
      // Nobody finds rows of hashes without an issue; but a new one may have the same.
      params[`${prefix}hashes`] = hashes.map(dashed);
      return `(${before} AND primary_hash IN {${prefix}hashes:Array(UUID)})`;
    }
    const named = namesUser(user ?? {}, prefix);
    Object.assign(params, named.params);
    return `(${before} AND ${named.sql})`;
  });
  return { sql: `AND NOT (${conditions.join(" OR ")})`, params };
}
