import type { Database } from "@signalbox/database";
import { maxSdksPerProject } from "../edge/sdk-usage.js";
import type { IssueTables } from "../store/tables.js";

/** What an SDK in one version sent to a project within 30 days. */
export interface SdkUse {
  readonly name: string;
  readonly version: string;
  readonly lastSeenMs: number;
  /** Requests. */
  readonly accepted: number;
  /** Items by their type. */
  readonly notStored: ReadonlyMap<string, number>;
  /** Requests. */
  readonly malformed: number;
  /** The last 5, newest first. */
  readonly errorCodes: readonly string[];
}

const dayMs = 86_400_000;
export const sdkDaysKept = 30;

/** The SDKs of a project, the one seen last first. */
export async function listSdks(database: Database, projectId: number, nowMs: number): Promise<SdkUse[]> {
  const db = database.reader<IssueTables>();
  const sinceDay = Math.floor(nowMs / dayMs) - sdkDaysKept;
  const [sdks, days] = await Promise.all([
    db
      .selectFrom("error_sdks")
      .selectAll()
      .where("project_id", "=", projectId)
      .where("last_seen_ms", ">=", nowMs - sdkDaysKept * dayMs)
      .orderBy("last_seen_ms", "desc")
      .limit(maxSdksPerProject + 1)
      .execute(),
    db
      .selectFrom("error_sdk_days")
      .select(({ fn }) => ["name", "version", "kind", "detail", fn.sum<number>("quantity").as("quantity")])
      .where("project_id", "=", projectId)
      .where("day", ">", sinceDay)
      .groupBy(["name", "version", "kind", "detail"])
      .execute(),
  ]);
  return sdks.map((sdk) => {
    const own = days.filter(({ name, version }) => name === sdk.name && version === sdk.version);
    const total = (kind: string): number =>
      own.filter((day) => day.kind === kind).reduce((sum, { quantity }) => sum + Number(quantity), 0);
    return {
      name: sdk.name,
      version: sdk.version,
      lastSeenMs: sdk.last_seen_ms,
      accepted: total("accepted"),
      notStored: new Map(
        own.filter(({ kind }) => kind === "not_stored").map(({ detail, quantity }) => [detail, Number(quantity)]),
      ),
      malformed: total("malformed"),
      errorCodes: JSON.parse(sdk.error_codes),
    };
  });
}
