import { type Command, InvalidArgumentError } from "commander";
import {
  addConfigOptions,
  addJsonOption,
  CommandFailed,
  type ConfigOptions,
  defineCommand,
  type JsonOption,
  readCommandConfig,
  type Terminal,
} from "../command.js";
import { at, items, text, texts } from "../shapes.js";
import { withStoredEvents } from "./api.js";

/** What can be explained. */
type Subject =
  | { readonly kind: "event"; readonly id: string }
  | { readonly kind: "repository"; readonly npub: string; readonly identifier: string };

export function addExplain(relay: Command, terminal: Terminal): void {
  const explain = defineCommand(
    relay,
    "explain",
    "say what became of an event, or who speaks for a repository",
    "signalbox relay explain 4376c65d2f232afbe9b882a35baa4f6fe8667c4e684749af565f981833ed6a65",
  ).argument("<what>", "id of an event, or npub/identifier of a repository", parseSubject);
  addJsonOption(addConfigOptions(explain)).action(async (subject: Subject, options: ConfigOptions & JsonOption) => {
    const { values: config } = readCommandConfig(terminal, options);
    const found = await withStoredEvents({ config, terminal }, (api) => api.find(pathOf(subject)));
    if (found === undefined) {
      terminal.err(
        subject.kind === "event" ? "This event was never seen here." : "This repository is not announced here.",
      );
      throw new CommandFailed();
    }
    if (options.json) terminal.out(JSON.stringify(found, null, 2));
    else
      for (const line of subject.kind === "event" ? describeEvent(found) : describeRepository(found))
        terminal.out(line);
  });
}

function parseSubject(given: string): Subject {
  if (/^[0-9a-f]{64}$/.test(given)) return { kind: "event", id: given };
  const [, npub, identifier] = /^(npub1[0-9a-z]+)\/(.+)$/s.exec(given) ?? [];
  if (npub !== undefined && identifier !== undefined) return { kind: "repository", npub, identifier };
  throw new InvalidArgumentError("Neither 64 hex digits nor npub1…/identifier.");
}

function pathOf(subject: Subject): string {
  if (subject.kind === "event") return `/explain/event/${subject.id}`;
  return `/repositories/${subject.npub}/${encodeURIComponent(subject.identifier)}`;
}

function* describeEvent(explanation: unknown): Generator<string> {
  for (const finding of items(explanation, "findings")) {
    yield `${text(finding, "state")}${facts(finding)}`;
    yield `  ${text(finding, "fix")}`;
  }
}

function facts(finding: unknown): string {
  const parts = [
    ["", text(finding, "message")],
    ["kind ", text(finding, "kind")],
    ["since ", text(finding, "since")],
    ["until ", text(finding, "until")],
    ["from ", text(finding, "peer") || text(finding, "source")],
    ["for ", texts(finding, "waits_for").join(", ")],
    ["by ", text(finding, "deletion_id")],
  ];
  const told = parts.flatMap(([word, value]) => (value === "" ? [] : [`${word}${value}`]));
  return told.length === 0 ? "" : `: ${told.join(", ")}`;
}

function* describeRepository(repository: unknown): Generator<string> {
  yield `${text(repository, "address")}, announced ${text(repository, "announced_at")}`;
  for (const relay of texts(repository, "relays")) yield `  relay ${relay}`;
  for (const member of items(repository, "authority", "members"))
    yield `  maintainer ${text(member, "npub")}, through ${texts(member, "through").join(" → ")}`;
  for (const invited of items(repository, "authority", "invited"))
    yield `  invited ${text(invited, "npub")}, by ${texts(invited, "by").join(", ")}`;
  for (const skipped of texts(repository, "authority", "skipped")) yield `  no key: ${skipped}`;
  yield at(repository, "state") === null
    ? "  no state of a maintainer"
    : `  state ${text(repository, "state", "event_id")} of ${text(repository, "state", "author")}, ${items(repository, "state", "refs").length} refs`;
}
