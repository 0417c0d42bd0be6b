import { randomBytes } from "node:crypto";
import type { Clock } from "@signalbox/kernel";
import {
  isSameService,
  kinds,
  type NostrEvent,
  type ServiceAddress,
  serviceAddressOf,
  tagValue,
} from "@signalbox/nostr";

/** What one connection has to prove, and has proved. */
export interface Authentication {
  readonly challenge: string;
  readonly keys: ReadonlySet<string>;
  /** Takes the author of an answer whose signature is right; returns what is wrong with it otherwise. */
  check(answer: NostrEvent): string | undefined;
}

export interface AuthenticationOptions {
  /**
   * Addresses under which clients reach us. The `Host` header of a handshake is none: another relay could pass on our
   * challenge under its own name.
   */
  readonly services: readonly ServiceAddress[];
  readonly clock: Clock;
}

const maxAgeSeconds = 600;

export function createAuthentication({ services, clock }: AuthenticationOptions): Authentication {
  const challenge = randomBytes(32).toString("hex");
  const keys = new Set<string>();
  return {
    challenge,
    keys,
    check(answer) {
      const problem = findProblem(answer, challenge, services, clock.nowMs() / 1_000);
      if (problem === undefined) keys.add(answer.pubkey);
      return problem;
    },
  };
}

function findProblem(
  answer: NostrEvent,
  challenge: string,
  services: readonly ServiceAddress[],
  now: number,
): string | undefined {
  if (answer.kind !== kinds.auth) return `an authentication is of kind ${kinds.auth}`;
  if (Math.abs(answer.created_at - now) > maxAgeSeconds) return "created_at is too far from now";
  if (tagValue(answer, "challenge") !== challenge) return "the challenge is not that of this connection";
  const relay = serviceAddressOf(tagValue(answer, "relay") ?? "", ["ws:", "wss:"]);
  if (!relay || !services.some((service) => isSameService(service, relay)))
    return "the relay tag does not name this relay";
  return undefined;
}
