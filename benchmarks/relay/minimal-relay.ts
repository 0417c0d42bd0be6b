import { openDatabase } from "@signalbox/database";
import { type Filter, matchFilters, type NostrEvent, verifyEvent } from "nostr-tools";
import { type WebSocket, WebSocketServer } from "ws";
import { createMinimalTables } from "./minimal-tables.js";

// What a small relay does: nostr-tools checks and matches, one table of events and one of tags on the same database
// library, each event a transaction of its own. `minimal-relay FILE`.

const [path = "minimal.db"] = process.argv.slice(2);
const database = await openDatabase({ path });
await createMinimalTables(database);

const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
const subscriptions = new Map<WebSocket, Map<string, Filter[]>>();

server.on("connection", (socket) => {
  const own = new Map<string, Filter[]>();
  subscriptions.set(socket, own);
  socket.on("close", () => subscriptions.delete(socket));
  socket.on("message", (data) => {
    const [verb, ...rest] = JSON.parse(String(data));
    if (verb === "EVENT") void receive(socket, rest[0]);
    else if (verb === "REQ") {
      const [id, ...filters] = rest;
      own.set(id, filters);
      void answer(socket, id, filters);
    } else if (verb === "CLOSE") own.delete(rest[0]);
  });
});

async function receive(socket: WebSocket, event: NostrEvent): Promise<void> {
  const known = await database.run("select id from events where id = ?", [event.id]);
  if (known.rows.length > 0) {
    socket.send(JSON.stringify(["OK", event.id, true, "duplicate: known"]));
    return;
  }
  if (!verifyEvent(event)) {
    socket.send(JSON.stringify(["OK", event.id, false, "invalid: wrong"]));
    return;
  }
  const raw = JSON.stringify(event);
  await database.transaction(async (transaction) => {
    await database.run(
      "insert into events values (?, ?, ?, ?, ?)",
      [event.id, event.pubkey, event.kind, event.created_at, raw],
      transaction,
    );
    const tags = event.tags.filter(([name, value]) => name?.length === 1 && value !== undefined);
    await database.runMany(
      "insert into tags values (?, ?, ?)",
      tags.map(([name, value]) => [`${name}:${value}`, event.id, event.created_at]),
      transaction,
    );
  });
  for (const [other, filters] of subscriptions)
    for (const [id, list] of filters)
      if (matchFilters(list, event)) other.send(`["EVENT",${JSON.stringify(id)},${raw}]`);
  socket.send(JSON.stringify(["OK", event.id, true, ""]));
}

async function answer(socket: WebSocket, id: string, filters: readonly Filter[]): Promise<void> {
  for (const filter of filters) {
    const conditions: string[] = ["1 = 1"];
    const values: (string | number)[] = [];
    const listed = (column: string, list: readonly (string | number)[]): void => {
      conditions.push(`${column} in (${list.map(() => "?").join(",")})`);
      values.push(...list);
    };
    if (filter.ids) listed("e.id", filter.ids);
    if (filter.authors) listed("e.pubkey", filter.authors);
    if (filter.kinds) listed("e.kind", filter.kinds);
    for (const [key, list] of Object.entries(filter)) {
      if (!key.startsWith("#") || !Array.isArray(list)) continue;
      conditions.push(`e.id in (select id from tags where tag in (${list.map(() => "?").join(",")}))`);
      values.push(...list.map((value) => `${key.slice(1)}:${value}`));
    }
    if (filter.since !== undefined) conditions.push(`e.created_at >= ${Number(filter.since)}`);
    if (filter.until !== undefined) conditions.push(`e.created_at <= ${Number(filter.until)}`);
    const sql = `select raw from events e where ${conditions.join(" and ")} order by created_at desc limit ${filter.limit ?? 500}`;
    const { rows } = await database.run<{ raw: string }>(sql, values);
    for (const { raw } of rows) socket.send(`["EVENT",${JSON.stringify(id)},${raw}]`);
  }
  socket.send(JSON.stringify(["EOSE", id]));
}

server.once("listening", () => {
  const address = server.address();
  if (typeof address === "object" && address) process.stdout.write(`ws://127.0.0.1:${address.port}\n`);
});
process.stdin.resume().once("end", () => process.exit(0));
