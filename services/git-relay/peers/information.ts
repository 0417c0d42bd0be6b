import type { EgressGuard } from "@signalbox/kernel";
import { isHex32 } from "@signalbox/nostr";
import type { InformationSource, PeerInformation, PeerUrl } from "../sync/ports.js";

export interface InformationSourceOptions {
  readonly guard: EgressGuard;
}

const timeoutMs = 5_000;
const maxBytes = 256 * 1024;

/** Asks peers who they are (NIP-11), under their own address. Redirects are not followed. */
export function createInformationSource({ guard }: InformationSourceOptions): InformationSource {
  return {
    async fetch(url, signal) {
      try {
        const answer = await guard.request(httpAddressOf(url), {
          headers: { accept: "application/nostr+json" },
          timeoutMs,
          maxResponseBytes: maxBytes,
          signal,
        });
        return answer.status === 200 ? readInformation(JSON.parse(Buffer.from(answer.body).toString())) : null;
      } catch {
        return null;
      }
    },
  };
}

function httpAddressOf(url: PeerUrl): string {
  return url.replace(/^ws/, "http");
}

/** What can be used of a description; what has another type than it should is as if it were not there. */
function readInformation(document: unknown): PeerInformation | null {
  if (!isObject(document)) return null;
  const { self, software, version } = document;
  const limitation = isObject(document["limitation"]) ? document["limitation"] : {};
  const defaultLimit = readLimit(limitation["default_limit"]);
  const maxLimit = readLimit(limitation["max_limit"]);
  const maxSubscriptions = readLimit(limitation["max_subscriptions"]);
  return {
    ...(typeof self === "string" && isHex32(self) && { self }),
    ...(defaultLimit !== undefined && { defaultLimit }),
    ...(maxLimit !== undefined && { maxLimit }),
    ...(maxSubscriptions !== undefined && { maxSubscriptions }),
    ...(typeof software === "string" && { software: software.slice(0, 200) }),
    ...(typeof version === "string" && { version: version.slice(0, 100) }),
  };
}

function readLimit(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0 ? value : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
