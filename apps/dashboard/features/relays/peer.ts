import type { paths } from "../../api/schema.js";

export type Peer = paths["/api/v1/relay/peers"]["get"]["responses"]["200"]["content"]["application/json"][number];
export type PeerDetail = paths["/api/v1/relay/peers/{url}"]["get"]["responses"]["200"]["content"]["application/json"];
export type Happening =
  paths["/api/v1/relay/peers/{url}/transitions"]["get"]["responses"]["200"]["content"]["application/json"][number];
export type Certificate = PeerDetail["certificates"]["roots"][number];

export const layers = ["announcements", "states", "repositories", "roots"] as const;
export type Layer = (typeof layers)[number];

export const layerLabels: Readonly<Record<Layer, string>> = {
  announcements: "Announcements",
  states: "States",
  repositories: "Repository events",
  roots: "Conversations",
};

export interface Tone {
  readonly label: string;
  readonly color: string;
  readonly meaning: string;
}

export const statusTones: Readonly<Record<Peer["status"], Tone>> = {
  disconnected: { label: "disconnected", color: "red", meaning: "There is no connection." },
  connecting: { label: "connecting", color: "yellow", meaning: "A connection is being made." },
  syncing: { label: "syncing", color: "blue", meaning: "Its history is being fetched." },
  connected: { label: "connected", color: "green", meaning: "Its history is here, and it is followed live." },
  connected_with_failures: {
    label: "connected with failures",
    color: "orange",
    meaning: "It is followed live, but a part of its history could not be fetched. That is tried again every hour.",
  },
  disconnecting: { label: "disconnecting", color: "gray", meaning: "Nothing of it is wanted any more." },
};

export const healthTones: Readonly<Record<Peer["health"], Tone>> = {
  healthy: { label: "healthy", color: "green", meaning: "It answers." },
  disconnected: { label: "disconnected", color: "gray", meaning: "No attempt has failed, none has succeeded." },
  degraded: {
    label: "degraded",
    color: "orange",
    meaning: "It failed lately, or has been back for less than 5 minutes.",
  },
  dead: {
    label: "dead",
    color: "red",
    meaning: "Every attempt of more than a day has failed; it is tried once a day.",
  },
  rate_limited: {
    label: "rate limited",
    color: "yellow",
    meaning: "It asked us to slow down; nothing is asked for 65 s.",
  },
};

/** The worse it is, the larger. */
export function badness(peer: Peer): number {
  if (peer.health === "dead") return 5;
  if (peer.health === "degraded" && peer.status === "disconnected") return 4;
  if (peer.status === "connected_with_failures" || isIncomplete(peer)) return 3;
  if (peer.health === "degraded" || peer.health === "rate_limited") return 2;
  return peer.status === "connected" ? 0 : 1;
}

/** As the server counts it: all of its history is here, and it is followed live. That it was away lately takes nothing from it. */
export function isInSync(peer: Peer): boolean {
  return peer.status === "connected" && !isIncomplete(peer);
}

/** A certificate says that something is missing. */
export function isIncomplete({ complete }: Peer): boolean {
  return layers.some((layer) => complete[layer] === false);
}

/** Batches under way of one layer, together. */
export interface LayerProgress {
  readonly layer: Layer;
  readonly batches: number;
  /** Of the ids that were asked for; null where pages are read, whose number nobody knows. */
  readonly share: number | null;
  readonly received: number;
}

export function progressOf({ pending_batches: batches }: Pick<Peer, "pending_batches">): readonly LayerProgress[] {
  return layers.flatMap((layer) => {
    const own = batches.filter((batch) => batch.layer === layer);
    if (own.length === 0) return [];
    const sum = (of: (batch: (typeof own)[number]) => number): number =>
      own.reduce((total, batch) => total + of(batch), 0);
    const asked = sum(({ ids_asked: ids }) => ids);
    return [
      {
        layer,
        batches: own.length,
        share: asked === 0 ? null : sum(({ ids_seen: ids }) => ids) / asked,
        received: sum(({ received }) => received),
      },
    ];
  });
}

/** Events that are stored here of all layers; null before the first certificate. */
export function eventsHere({ events_here: counts }: Pick<Peer, "events_here">): number | null {
  const known = layers.flatMap((layer) => counts[layer] ?? []);
  return known.length === 0 ? null : known.reduce((sum, count) => sum + count, 0);
}

/** When the oldest of the newest certificates was issued; null where there is none. */
export function certifiedAt({ certified_at: times }: Pick<Peer, "certified_at">): string | null {
  return layers.flatMap((layer) => times[layer] ?? []).sort()[0] ?? null;
}

export function hostOf(url: string): string {
  return url.replace(/^wss?:\/\//, "");
}

export function peerPath(url: string): string {
  return `/relays/peers/${encodeURIComponent(url)}`;
}
