import type { Database } from "@signalbox/database";
import { hasScope } from "@signalbox/http";
import { encodeNpub, kinds, type NostrEvent } from "@signalbox/nostr";
import type { TimelineEntry, TimelineSource } from "@signalbox/timeline";
import { sql } from "kysely";
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
        .select(sql<string | null>`case when kind in (${sql.join(ofRepositories)}) then raw end`.as("raw"))
        .orderBy("first_seen_at")
        .orderBy("id")
        .limit(limit + 1)
        .execute();
      return { entries: rows.slice(0, limit).map(toEntry), hidden: 0, truncated: rows.length > limit };
    },
  };
}

/** Kinds whose `d` tag is the identifier of a repository. */
const ofRepositories: readonly number[] = [kinds.announcement, kinds.state];

interface Row {
  readonly id: string;
  readonly kind: number;
  readonly pubkey: string;
  readonly first_seen_at: number;
  readonly source: string;
  readonly peer: string | null;
  readonly raw: string | null;
}

function toEntry({ id, kind, pubkey, first_seen_at, source, peer, raw }: Row): TimelineEntry {
  const identifier = raw === null ? undefined : identifierOf(raw);
  return {
    id: `relay_event:${id}`,
    kind: "relay_event",
    atMs: Number(first_seen_at),
    title: `Nostr event of kind ${kind}`,
    status: `stored from ${source}`,
    outcome: "ok",
    link:
      identifier === undefined
        ? `/api/v1/relay/explain/event/${id}`
        : `/api/v1/relay/repositories/${encodeNpub(pubkey)}/${encodeURIComponent(identifier)}`,
    details: { event_id: id, pubkey, ...(peer === null ? {} : { peer }) },
  };
}

function identifierOf(raw: string): string | undefined {
  const { tags }: Pick<NostrEvent, "tags"> = JSON.parse(raw);
  return tags.find(([name]) => name === "d")?.[1];
}
