import type { Command } from "commander";
import {
  addConfigOptions,
  addJsonOption,
  CommandFailed,
  type ConfigOptions,
  defineCommand,
  type JsonOption,
  readCommandConfig,
  type Terminal,
  table,
} from "../command.js";
import { at, count, items, text } from "../shapes.js";
import { withRunningRelay } from "./api.js";

/** More peers than the relay may have. */
const everyPeer = 100_000;

export function addStatus(relay: Command, terminal: Terminal): void {
  const status = defineCommand(
    relay,
    "status",
    "show the relays that are synced from; succeeds when all of them are synced completely",
    "signalbox relay status",
  );
  addJsonOption(addConfigOptions(status)).action(async (options: ConfigOptions & JsonOption) => {
    const { values: config } = readCommandConfig(terminal, options);
    const peers = await withRunningRelay({ config, terminal }, async (api) => {
      const state = await api.ask("GET", "/status");
      const listed = await api.list("/peers", everyPeer);
      if (options.json) terminal.out(JSON.stringify({ status: state, peers: listed }, null, 2));
      else for (const line of describe(state, listed)) terminal.out(line);
      return listed;
    });
    if (!peers.every(isSynced)) throw new CommandFailed();
  });
}

/** Fully connected, and no certificate says that something is missing. */
function isSynced(peer: unknown): boolean {
  return text(peer, "status") === "connected" && !Object.values(Object(at(peer, "complete"))).includes(false);
}

function* describe(state: unknown, peers: readonly unknown[]): Generator<string> {
  yield `${text(state, "url")}, profile ${text(state, "profile")}`;
  if (at(state, "sync_enabled") !== true) yield "The sync with peers is switched off (relay.sync.enabled)";
  else if (peers.length === 0) yield "No peers: no announcement names one, and none is configured";
  else {
    yield `${count(state, "peers", "completely_synced")} of ${peers.length} peers synced completely`;
    yield table(head, peers.map(rowOf));
  }
  const waiting = count(state, "waiting", "events");
  if (waiting > 0) yield `${waiting} events wait for what relates them to a repository`;
  const left = items(state, "over_limit").length;
  if (left > 0) yield `${left} further peers are left out (relay.sync.max_peers)`;
  const refused = items(state, "refused_targets").length;
  if (refused > 0) yield `${refused} peers have addresses that may not be called (relay.sync.allowed_networks)`;
}

const head = ["PEER", "STATUS", "HEALTH", "FAILURES", "REPOSITORIES", "ROOTS", "BATCHES", "INCOMPLETE", "NEXT", "WHY"];

function rowOf(peer: unknown): string[] {
  const complete = Object.entries(Object(at(peer, "complete")));
  const share = (what: string): string => `${count(peer, "confirmed", what)}/${count(peer, "wanted", what)}`;
  const isWell = text(peer, "status") === "connected";
  return [
    text(peer, "url"),
    text(peer, "status"),
    text(peer, "naughty", "category") || text(peer, "health"),
    text(peer, "failures"),
    share("repos"),
    share("root_events"),
    String(items(peer, "pending_batches").length),
    complete.flatMap(([layer, isComplete]) => (isComplete === false ? [layer] : [])).join(", "),
    text(peer, "next_attempt_at"),
    isWell ? "" : text(peer, "last_failure", "message"),
  ];
}
