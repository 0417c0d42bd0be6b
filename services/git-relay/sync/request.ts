import type { FilterJson } from "@signalbox/nostr";
import type { Reception } from "./intake.js";
import type { PeerLink, PeerMessage } from "./link.js";
import type { EndHint } from "./pages.js";
import { isRateLimitNotice, isRateLimitRefusal } from "./rate-limit.js";

/** Why a batch cannot go on; it is tried again later. */
export class BatchFailure extends Error {}

/** The peer does not take a filter of this size. */
export class FilterRefused extends BatchFailure {}

export interface StoredRequest {
  readonly filter: FilterJson;
  onEvent(message: Extract<PeerMessage, { verb: "EVENT" }>): void;
  /** It is asked again from the beginning. */
  onRestart?(): void;
}

/** How one asking ended. */
type Ending =
  | { readonly kind: "eose"; readonly hint: EndHint }
  | { readonly kind: "closed"; readonly reason: string }
  | { readonly kind: "rate-limited" | "silent" };

/** A peer may be slow, but not silent for longer. */
const patienceMs = 600_000;
const maxSilences = 3;

/**
 * Asks for stored events and resolves at their end, with what the peer says about more. Nothing but an end by the peer
 * counts as one: silence makes it ask again, up to three times. Rests of the peer are waited for.
 * @throws {FilterRefused} when the filter is refused
 * @throws {BatchFailure} when the peer stays silent or ends it otherwise
 * @throws the signal's reason
 */
export async function requestStored(link: PeerLink, request: StoredRequest, signal: AbortSignal): Promise<EndHint> {
  let silences = 0;
  let authenticated = false;
  for (;;) {
    await link.passable(signal);
    const ending = await ask(link, request, signal);
    if (ending.kind === "eose") return ending.hint;
    if (ending.kind === "silent") {
      if (++silences > maxSilences) throw new BatchFailure("the peer does not answer");
    } else if (ending.kind === "closed" && !isRateLimitRefusal(ending.reason)) {
      if (isFilterRefusal(ending.reason)) throw new FilterRefused(ending.reason);
      if (!ending.reason.startsWith("auth-required:") || authenticated)
        throw new BatchFailure(`the peer ended it: ${ending.reason.slice(0, 200)}`);
      authenticated = true;
      await link.authenticated(signal);
    }
    request.onRestart?.();
  }
}

export function isFilterRefusal(reason: string): boolean {
  return reason.startsWith("invalid:") || reason.startsWith("unsupported:");
}

function ask(link: PeerLink, { filter, onEvent }: StoredRequest, signal: AbortSignal): Promise<Ending> {
  return new Promise((resolve, reject) => {
    let heard = false;
    const conversation = link.converse("h", (message) => {
      watch.touch();
      switch (message.verb) {
        case "EVENT":
          heard = true;
          return onEvent(message);
        case "EOSE":
          conversation.send("CLOSE");
          return finish({ kind: "eose", hint: message.hint });
        case "CLOSED":
          return finish({ kind: "closed", reason: message.reason });
        case "NOTICE":
          // Whom it means it does not say; what was answered already, it does not.
          if (!heard && isRateLimitNotice(message.text)) {
            conversation.send("CLOSE");
            finish({ kind: "rate-limited" });
          }
          return;
        default:
          return;
      }
    });
    const watch = link.watch(patienceMs, () => {
      conversation.send("CLOSE");
      finish({ kind: "silent" });
    });
    const cleanUp = (): void => {
      watch.end();
      conversation.end();
      signal.removeEventListener("abort", onAbort);
    };
    const finish = (ending: Ending): void => {
      cleanUp();
      resolve(ending);
    };
    const onAbort = (): void => {
      conversation.send("CLOSE");
      cleanUp();
      reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    conversation.send("REQ", filter);
  });
}

/** Gathers the decisions about the events of a request, so that one can wait for the last of them. */
export class Decisions {
  readonly #open = new Set<Promise<void>>();
  readonly #onDecided: (id: string | undefined, reception: Awaited<Reception["decided"]>) => void;

  constructor(onDecided: (id: string | undefined, decision: Awaited<Reception["decided"]>) => void) {
    this.#onDecided = onDecided;
  }

  add({ event, decided }: Reception): void {
    const noted = decided.then((decision) => {
      this.#onDecided(event?.id, decision);
      this.#open.delete(noted);
    });
    this.#open.add(noted);
  }

  async all(): Promise<void> {
    await Promise.all(this.#open);
  }
}
