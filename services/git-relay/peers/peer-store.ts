import type { Database } from "@signalbox/database";
import type { HealthRecord, NaughtyEntry, PeerStore, PeerUrl } from "../sync/ports.js";
import type { Certificate, SyncLayer } from "../sync/snapshot.js";
import { readPeerUrl } from "./peer-url.js";
import type { PeerTables } from "./tables.js";

/** Certificates that are kept of a peer and layer. */
const keptCertificates = 30;

/** What is kept of peers, and can be read back. */
export interface ReadablePeerStore extends PeerStore {
  /** The last 30 certificates of each layer, the newest first. */
  certificates(url: PeerUrl): Promise<Readonly<Record<SyncLayer, readonly Certificate[]>>>;
}

/** Peers in SQLite or PostgreSQL; `peerMigrations` made the tables. */
export function createPeerStore(database: Database): ReadablePeerStore {
  const reader = database.reader<PeerTables>();
  return {
    async loadPeers() {
      const rows = await reader.selectFrom("relay_peers").selectAll().execute();
      return rows.flatMap((row) => {
        const url = readPeerUrl(row.url);
        if (url === undefined) return [];
        return {
          url,
          health: readHealth(row.health),
          negentropyUnsupportedUntil: row.negentropy_unsupported_until,
          negentropyUnsupportedReason: row.negentropy_unsupported_reason,
          naughty: readNaughty(row.naughty),
        };
      });
    },

    async savePeers(peers) {
      await database.runMany(
        `insert into relay_peers (url, health, negentropy_unsupported_until, negentropy_unsupported_reason, naughty)
          values (?, ?, ?, ?, ?)
          on conflict (url) do update set health = excluded.health,
            negentropy_unsupported_until = excluded.negentropy_unsupported_until,
            negentropy_unsupported_reason = excluded.negentropy_unsupported_reason,
            naughty = excluded.naughty`,
        peers.map(({ url, health, negentropyUnsupportedUntil, negentropyUnsupportedReason, naughty }) => [
          url,
          JSON.stringify(health),
          negentropyUnsupportedUntil,
          negentropyUnsupportedReason,
          naughty && JSON.stringify(naughty),
        ]),
      );
    },

    async forgetPeer(url) {
      const tables = ["relay_peers", "relay_peer_transitions", "relay_certificates"];
      await database.batch(tables.map((table) => ({ sql: `delete from ${table} where url = ?`, rows: [[url]] })));
    },

    async saveCertificate(url, layer, certificate) {
      const { at } = certificate;
      await database.batch([
        {
          sql: "insert into relay_certificates (url, layer, at, certificate) values (?, ?, ?, ?)",
          rows: [[url, layer, at, JSON.stringify(certificate)]],
        },
        {
          sql: `delete from relay_certificates where url = ? and layer = ? and at <= (
            select at from relay_certificates where url = ? and layer = ?
              order by at desc limit 1 offset ${keptCertificates})`,
          rows: [[url, layer, url, layer]],
        },
      ]);
    },

    async certificates(url) {
      const rows = await reader
        .selectFrom("relay_certificates")
        .select(["layer", "certificate"])
        .where("url", "=", url)
        .orderBy("at", "desc")
        .execute();
      const of = (layer: SyncLayer): Certificate[] =>
        rows.filter((row) => row.layer === layer).map(({ certificate }) => JSON.parse(certificate));
      return {
        announcements: of("announcements"),
        states: of("states"),
        repositories: of("repositories"),
        roots: of("roots"),
      };
    },
  };
}

function readHealth(text: string): HealthRecord {
  return JSON.parse(text);
}

function readNaughty(text: string | null): NaughtyEntry | null {
  return text === null ? null : JSON.parse(text);
}
