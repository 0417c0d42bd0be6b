import { resolve } from "node:path";
import { warnOfReferenceVariables } from "@signalbox/git-relay/reference-variables";
import { createLogger, type LogFormat, nearestName, systemClock } from "@signalbox/kernel";
import { type Command, InvalidArgumentError, Option } from "commander";
import { bannerLines } from "../banner.js";
import { startServer } from "../compose.js";
import type { ServerConfig } from "../config.js";
import { dataPaths } from "../data-paths.js";
import { keepHeapSmall } from "../heap-growth.js";
import { endOnStrayErrors, untilStopped } from "../lifetime.js";
import { loadApp } from "../load-app.js";
import { isRole, type Role, roles } from "../roles.js";
import { createShutdown } from "../shutdown.js";
import { version } from "../version.js";
import { addConfigOptions, CommandFailed, type ConfigOptions, readCommandConfig, type Terminal } from "./command.js";

interface ServeOptions extends ConfigOptions {
  readonly only: readonly Role[];
  readonly listen?: string;
  readonly metricsListen?: string;
  readonly publicUrl?: string;
  readonly logLevel?: string;
  readonly logFormat?: string;
  readonly quiet?: boolean;
  readonly app?: string;
}

/** Beyond the deadline, in which work is finished or handed back, this long until everything is closed. */
const closingPatienceMs = 10_000;

/** How long the embedded engine may take to let go of a process that ends in a hurry. */
const abandonPatienceMs = 1_000;

export function build(serve: Command, terminal: Terminal): void {
  serve
    .addOption(
      new Option("--only <role,…>", `run these roles alone: ${roles.join(", ")}`)
        .argParser(parseRoles)
        .default(roles, "all"),
    )
    .option("--listen <address>", "address of ingest and API")
    .option("--metrics-listen <address>", "address of /metrics and the health checks")
    .option("--public-url <url>", "address under which clients reach the server")
    .option("--log-level <level>", "the least important lines that are logged")
    .option("--log-format <format>", "json, pretty, or auto: pretty on a terminal")
    .option("--app <module>", "also run the program whose configure functions this module exports")
    .option("--quiet", "do not print where everything is after the start");
  addConfigOptions(serve).action((options: ServeOptions) => run(terminal, options));
}

async function run(terminal: Terminal, options: ServeOptions): Promise<void> {
  const startedMs = systemClock.monotonicMs();
  const { values: config } = readCommandConfig(terminal, options, {
    listen: options.listen,
    metrics_listen: options.metricsListen,
    public_url: options.publicUrl,
    "log.level": options.logLevel,
    "log.format": options.logFormat,
  });
  const logger = createLogger({
    level: config.log.level,
    format: logFormat(config, terminal),
    redact: config.log.redact,
  });
  warnOfReferenceVariables(terminal.env, logger);
  const shutdown = createShutdown(systemClock, config.shutdown.deadlineMs);
  const exit = (exitCode: number): void => {
    within(shutdown.abandon(), abandonPatienceMs).then(() => terminal.exit(exitCode), terminal.kill);
  };
  endOnStrayErrors(logger, exit);
  const app = options.app === undefined ? undefined : await loadApp(options.app);
  const running = new Set(options.only);
  keepHeapSmall(running);
  const starting = startServer({ config, roles: running, logger, shutdown, env: terminal.env, app });
  const stop = async (): Promise<void> => {
    shutdown.begin();
    await starting.catch(() => {});
    await within(shutdown.run(), config.shutdown.deadlineMs + closingPatienceMs);
  };
  const stopped = untilStopped({ logger, exit, stop });

  try {
    const server = await starting;
    const startedInMs = systemClock.monotonicMs() - startedMs;
    if (!options.quiet) {
      const { directory } = dataPaths(config);
      const isUsualDirectory = directory === resolve("data");
      const facts = {
        ...server,
        version,
        startedInMs,
        dataDirectory: directory,
        isUsualDirectory,
        roles: options.only,
      };
      for (const line of bannerLines(facts)) terminal.out(line);
    }
    logger.info("ready", { duration_s: startedInMs / 1000, pid: process.pid, version });
    terminal.ready();
  } catch (error) {
    if (!shutdown.signal.aborted) {
      await stop().catch((failure: unknown) =>
        logger.warn("closing failed after the failed start", { error: failure }),
      );
      throw error;
    }
  }
  if ((await stopped) !== 0) throw new CommandFailed();
}

/** @throws {Error} when it takes longer than `limitMs` */
async function within(work: Promise<void>, limitMs: number): Promise<void> {
  const inTime = new AbortController();
  const tooLong = systemClock.sleep(limitMs, { signal: inTime.signal }).then(
    () => Promise.reject(new Error(`Stopping took longer than ${limitMs / 1000} s`)),
    () => {},
  );
  await Promise.race([work.finally(() => inTime.abort()), tooLong]);
}

function logFormat({ log }: ServerConfig, { isTerminal }: Terminal): LogFormat {
  if (log.format !== "auto") return log.format;
  return isTerminal ? "pretty" : "json";
}

function parseRoles(text: string): readonly Role[] {
  return text.split(",").map((name) => {
    if (isRole(name)) return name;
    if (name === "") throw new InvalidArgumentError(`Expected some of ${roles.join(", ")}, with commas.`);
    const near = nearestName(name, roles);
    throw new InvalidArgumentError(near ? `${name} is no role. Did you mean ${near}?` : `${name} is no role.`);
  });
}
