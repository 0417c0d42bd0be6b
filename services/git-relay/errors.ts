import { defineErrors, type ErrorOptions, SignalboxError } from "@signalbox/kernel";

export const relayErrors = defineErrors("Git relay", {
  RELAY_BAD_KEY: {
    message: "The relay's secret key is malformed",
    remedy:
      "Set `relay.secret_key` to 64 hex digits or an `nsec1…`; without it, remove the damaged file `relay-key` from the data directory and a new key is made",
  },
  RELAY_BAD_DOMAIN: {
    message: "`relay.domain` names no relay",
    remedy:
      "Give the host under which clients reach the relay, with port and path where there are any, as `relay.example.org`",
  },
  RELAY_BAD_PROFILE: {
    message: "The relay has no such profile",
    remedy:
      "Set `relay.profile` to `grasp`, which takes what concerns announced repositories, or to `open`, which takes every valid event",
  },
  RELAY_BAD_POLICY_MODULE: {
    message: "The relay's policy module cannot be used",
    remedy: "Let `relay.policy.module` name an ES module that exports a function `decide(event, context)`",
  },
  RELAY_BAD_ENTRY: {
    message: "An entry of the relay's settings is malformed",
    remedy:
      "Authors are `npub1…` or hex; repositories are `npub1…`, `npub1…/identifier` or `identifier`; bootstrap relays are addresses as `wss://relay.example.org`; networks are as `10.0.0.0/8`",
  },
  RELAY_STORE_FAILED: {
    message: "The relay's events cannot be read or written",
    retryable: true,
    remedy:
      "Look at the cause: the database is away, full or busy. What was acknowledged is there, and clients were told to try the rest again",
  },
  RELAY_DATA_LOCKED: {
    message: "Another relay has this data directory",
    remedy:
      "Stop the other process, give this one another `data_dir`, or set `database_url`: on one PostgreSQL several relays may serve",
  },
  RELAY_PEER_UNREACHABLE: {
    message: "The peer cannot be reached",
    retryable: true,
    remedy: "It is tried again by itself; `signalbox relay status` shows when and what went wrong",
  },
  RELAY_TARGET_NOT_ALLOWED: {
    message: "The address of the peer is not public",
    remedy: "Set `relay.sync.allowed_networks` when peers of a private network are to be reached",
  },
  RELAY_TOO_LARGE: {
    message: "The message is larger than is taken",
    remedy: "A peer may send messages of up to 2 MiB, and is tried again later; tell its operator when it goes on",
  },
  relay_repository_unknown: {
    message: "No such repository is announced here",
    status: 404,
    remedy: "List the repositories to see their owners and identifiers",
  },
  relay_peer_unknown: {
    message: "No such peer is synced from",
    status: 404,
    remedy: "List the peers to see their addresses; in a path the address is percent-encoded",
  },
  relay_event_unknown: {
    message: "The event was never seen here",
    status: 404,
    remedy: "Publish it here, or check that one of the peers has it",
  },
  RELAY_LISTEN_FAILED: {
    message: "The relay cannot listen on its address",
    remedy: "Stop the other program on this port, or set another `relay.listen`",
  },
});

export type RelayErrorCode = keyof typeof relayErrors.entries;

export class RelayError extends SignalboxError {
  declare readonly code: RelayErrorCode;

  constructor(code: RelayErrorCode, options: ErrorOptions = {}) {
    super(code, relayErrors.entries[code], options);
  }
}
