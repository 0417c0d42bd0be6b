import { openDatabase } from "@signalbox/database";
import { silentLogger } from "@signalbox/kernel";
import { parseEnvelope, parseJsonObject } from "@signalbox/sentry-protocol";

/** Questions that both stores are asked. */
export interface RowStore {
  /** Parses an envelope and stores its event in a transaction of its own. */
  store(envelope: Uint8Array): Promise<void>;
  /** Makes `factor` copies of every event, spread over the 30 days before. */
  multiply(factor: number): Promise<void>;
  listPage(): Promise<unknown>;
  issuePage(issueId: number): Promise<unknown>;
  searchTag(key: string, value: string): Promise<unknown>;
  /** Bytes of the file when everything is in it. */
  bytes(): Promise<number>;
  close(): Promise<void>;
}

const monthMs = 30 * 86_400_000;

/**
 * The least that an error tracker on rows does: one SQLite transaction for each event, its JSON in a row, and issues that
 * are told apart by their titles. Tags stand in a column of their own, so that a search does not read whole events.
 */
export async function openRowStore(path: string): Promise<RowStore> {
  const database = await openDatabase({ path, logger: silentLogger });
  await database.run(
    "create table issues (id integer primary key, title text not null unique, first_ms integer, last_ms integer, events integer)",
  );
  await database.run("create index issues_by_time on issues (last_ms)");
  await database.run(
    "create table events (seq integer primary key, id text not null, issue_id integer not null, at_ms integer not null, tags text, body text)",
  );
  await database.run("create unique index events_by_id on events (id)");
  await database.run("create index events_by_issue on events (issue_id, at_ms)");
  await database.run("create index events_by_time on events (at_ms)");

  return {
    async store(envelope) {
      const payload = parseEnvelope(envelope).items[0]?.payload ?? new Uint8Array();
      const event = parseJsonObject(payload) as unknown as {
        readonly event_id: string;
        readonly timestamp: number;
        readonly tags: object;
        readonly exception: { readonly values: readonly { readonly type: string; readonly value: string }[] };
      };
      const [exception] = event.exception.values;
      // Without the numbers, that titles of one error share.
      const title = `${exception?.type}: ${exception?.value.replaceAll(/\b[0-9a-f]{6,}\b|\d+/g, "<n>")}`;
      const atMs = Math.round(event.timestamp * 1000);
      await database.transaction(async (transaction) => {
        const { rows } = await database.run<{ id: number }>(
          `insert into issues (title, first_ms, last_ms, events) values (?, ?, ?, 1)
           on conflict (title) do update set events = events + 1, last_ms = excluded.last_ms returning id`,
          [title, atMs, atMs],
          transaction,
        );
        await database.run(
          "insert into events (id, issue_id, at_ms, tags, body) values (?, ?, ?, ?, ?) on conflict (id) do nothing",
          [event.event_id, rows[0]?.id ?? 0, atMs, JSON.stringify(event.tags), Buffer.from(payload).toString("utf8")],
          transaction,
        );
      });
    },
    async multiply(factor) {
      await database.transaction(
        (transaction) =>
          database.run(
            `with recursive copies (n) as (select 1 union all select n + 1 from copies where n < ?)
             insert into events (id, issue_id, at_ms, tags, body)
             select id || '.' || n, issue_id, at_ms - abs(random() % ?), tags, body from events, copies`,
            [factor - 1, monthMs],
            transaction,
          ),
        { timeoutMs: 0 },
      );
    },
    listPage: () => database.run("select * from issues order by last_ms desc limit 20"),
    async issuePage(issueId) {
      await database.run("select * from issues where id = ?", [issueId]);
      return database.run("select * from events where issue_id = ? order by at_ms desc limit 1", [issueId]);
    },
    searchTag: (key, value) =>
      database.run(
        `select issues.* from issues where id in (
           select issue_id from events where at_ms >= ? and tags ->> ? = ?) order by last_ms desc limit 20`,
        [Date.now() - monthMs, key, value],
      ),
    async bytes() {
      const { rows } = await database.run<{ bytes: number }>(
        "select page_count * page_size as bytes from pragma_page_count(), pragma_page_size()",
      );
      return rows[0]?.bytes ?? Number.NaN;
    },
    close: () => database.close(),
  };
}
