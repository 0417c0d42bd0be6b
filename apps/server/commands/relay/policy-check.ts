import { resolve } from "node:path";
import { checkPolicyModule, type ModuleCheck } from "@signalbox/git-relay";
import { parseDuration, silentLogger, systemClock } from "@signalbox/kernel";
import { type Command, InvalidArgumentError } from "commander";
import { withDatabase } from "../../stores.js";
import {
  addConfigOptions,
  addJsonOption,
  type ConfigOptions,
  defineCommand,
  type JsonOption,
  parseCount,
  readCommandConfig,
  type Terminal,
} from "../command.js";

interface CheckOptions extends ConfigOptions, JsonOption {
  readonly since: number;
  readonly module?: string;
  readonly limit: number;
}

const dayMs = 86_400_000;
const defaultSinceMs = 30 * dayMs;
const defaultLimit = 1_000;

export function addPolicyCheck(relay: Command, terminal: Terminal): void {
  const check = defineCommand(
    relay,
    "policy-check",
    "run the policy module over stored events and list those that it would refuse; none is ever removed",
    "signalbox relay policy-check --module ./policy.mjs --since 30d",
  )
    .option("--module <file>", "the module to try (default: relay.policy.module)")
    .option("--since <duration>", "events of this time, up to now", parseSince, defaultSinceMs)
    .option("--limit <count>", "stop when so many were found", parseCount, defaultLimit);
  addJsonOption(addConfigOptions(check)).action(async (options: CheckOptions) => {
    const { values: config } = readCommandConfig(terminal, options);
    const module = options.module ?? config.relay.policy.module;
    if (module === undefined) return check.error("error: give --module <file>, or set relay.policy.module");
    const found = await withDatabase(config, (database) =>
      checkPolicyModule({
        database,
        clock: systemClock,
        logger: silentLogger,
        settings: config.relay,
        path: resolve(module),
        since: Math.floor((systemClock.nowMs() - options.since) / 1_000),
        maxRefused: options.limit,
        signal: new AbortController().signal,
      }),
    );
    if (options.json) terminal.out(JSON.stringify(toJson(found), null, 2));
    else for (const line of describe(found)) terminal.out(line);
  });
}

function parseSince(written: string): number {
  const ms = parseDuration(written);
  if (ms === undefined || ms < 1_000) throw new InvalidArgumentError("Not a duration such as 24h or 30d.");
  return ms;
}

function toJson({ checked, refused, isCut, faults, slowestMs }: ModuleCheck): object {
  return {
    checked,
    would_be_refused: refused.map(({ id, kind, author, createdAt, message }) => ({
      event_id: id,
      kind,
      author,
      created_at: new Date(createdAt * 1_000).toISOString(),
      message,
    })),
    is_cut: isCut,
    faults,
    slowest_ms: Math.round(slowestMs * 10) / 10,
  };
}

function* describe({ checked, refused, isCut, faults, slowestMs }: ModuleCheck): Generator<string> {
  for (const { id, kind, message } of refused) yield `${id}  kind ${kind}  ${message}`;
  const end = isCut ? "; there may be more" : "";
  yield `${refused.length} of ${checked} stored events would be refused${end}`;
  if (faults > 0) yield `${faults} of them because the module gave no decision`;
  if (checked > 0) yield `The slowest answer took ${slowestMs.toFixed(1)} ms`;
}
