import type { Database } from "@signalbox/database";
import { hasScope } from "@signalbox/http";
import type { TimelineEntry, TimelineSource } from "@signalbox/timeline";
import type { RelayTables } from "./store/migrations.js";

/** Nostr events that the relay keeps; only for tokens that may read the relay. Their texts are not told. */
export function createRelayTimelineSource(database: Database): TimelineSource {
  return {
    name: "relay",
    async find({ correlationIds, principal, limit }) {
      const carrying = database
        .reader<RelayTables>()
        .selectFrom("relay_events")
        .where("correlation_id", "in", correlationIds);
      if (!hasScope(principal, "relay:read")) {
        const { hidden } = await carrying
          .select(({ fn }) => fn.countAll<number | string>().as("hidden"))
          .executeTakeFirstOrThrow();
        return { entries: [], hidden: Number(hidden), truncated: false };
      }
      const rows = await carrying
        .select(["id", "kind", "pubkey", "first_seen_at", "source", "peer"])
        .orderBy("first_seen_at")
        .orderBy("id")
        .limit(limit + 1)
        .execute();
      return { entries: rows.slice(0, limit).map(toEntry), hidden: 0, truncated: rows.length > limit };
    },
  };
}

interface Row {
  readonly id: string;
  readonly kind: number;
  readonly pubkey: string;
  readonly first_seen_at: number;
  readonly source: string;
  readonly peer: string | null;
}

function toEntry({ id, kind, pubkey, first_seen_at, source, peer }: Row): TimelineEntry {
  return {
    id: `relay_event:${id}`,
    kind: "relay_event",
    atMs: Number(first_seen_at),
    title: `Nostr event of kind ${kind}`,
    status: `stored from ${source}`,
    outcome: "ok",
    details: { event_id: id, pubkey, ...(peer === null ? {} : { peer }) },
  };
}
