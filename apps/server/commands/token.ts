import { isScope, type Scope, scopes } from "@signalbox/http/scopes";
import { createTokenKey, maxTokenLifetimeMs, mintToken } from "@signalbox/http/tokens";
import { nearestName, parseDuration, systemClock } from "@signalbox/kernel";
import { type Command, InvalidArgumentError, Option } from "commander";
import { dataPaths } from "../data-paths.js";
import { withDatabase } from "../stores.js";
import { type IssuedToken, listTokens, recordToken, revokeToken } from "../tokens.js";
import {
  addConfigOptions,
  addJsonOption,
  type ConfigOptions,
  defineCommand,
  formatTime,
  type JsonOption,
  parseId,
  readCommandConfig,
  type Terminal,
  table,
} from "./command.js";
import { projectsOf, requireProjects } from "./projects.js";

type Options = ConfigOptions & JsonOption;

interface CreateOptions extends Options {
  readonly scope: readonly Scope[];
  readonly project?: readonly number[];
  readonly ttl: number;
  readonly name: string;
}

export function build(token: Command, terminal: Terminal): void {
  addCreate(token, terminal);
  addList(token, terminal);
  addRevoke(token, terminal);
}

function addCreate(token: Command, terminal: Terminal): void {
  const create = defineCommand(
    token,
    "create",
    "make a token; it is shown this once and not kept",
    "signalbox token create --scope errors:read,errors:write --project 1 --ttl 90d",
  )
    .requiredOption("--scope <scope,…>", `what it allows: ${scopes.join(", ")}`, parseScopes)
    .option("--project <id,…>", "narrow it to these projects, and admin to what belongs to them", parseProjects)
    .addOption(
      new Option("--ttl <duration>", "how long it is valid, at most 365d")
        .argParser(parseTtl)
        .default(parseTtl("30d"), "30d"),
    )
    .option("--name <text>", "what it is for", parseName, "command line");
  addJsonOption(addConfigOptions(create)).action(async (options: CreateOptions) => {
    const { values } = readCommandConfig(terminal, options);
    const made = await withDatabase(values, async (database) => {
      await requireProjects(projectsOf(database, values), options.project ?? []);
      const key = await createTokenKey(dataPaths(values).directory);
      const minted = await mintToken(key, {
        subject: options.name,
        scopes: options.scope,
        lifetimeMs: options.ttl,
        audience: values.auth.audience,
        ...(options.project ? { projects: options.project } : {}),
      });
      await recordToken(database, {
        id: minted.tokenId,
        name: options.name,
        scopes: options.scope,
        projects: options.project,
        createdAtMs: minted.issuedAtMs,
        expiresAtMs: minted.expiresAtMs,
      });
      return minted;
    });
    if (!options.json) {
      terminal.out(made.token);
      return;
    }
    const { token: text, tokenId: id, expiresAtMs } = made;
    terminal.out(JSON.stringify({ id, token: text, scopes: options.scope, expires_at: formatTime(expiresAtMs) }));
  });
}

function addList(token: Command, terminal: Terminal): void {
  const list = defineCommand(token, "list", "list all tokens that were made here", "signalbox token list --json");
  addJsonOption(addConfigOptions(list)).action(async (options: Options) => {
    const { values } = readCommandConfig(terminal, options);
    const tokens = await withDatabase(values, listTokens);
    if (options.json) {
      terminal.out(JSON.stringify(tokens.map(toJson), null, 2));
      return;
    }
    const rows = tokens.map((found) => [
      found.id,
      found.name,
      found.scopes.join(","),
      found.projects?.join(",") ?? "all",
      stateOf(found),
      formatTime(found.expiresAtMs),
    ]);
    terminal.out(table(["ID", "NAME", "SCOPES", "PROJECTS", "STATE", "EXPIRES"], rows));
  });
}

function addRevoke(token: Command, terminal: Terminal): void {
  const revoke = defineCommand(
    token,
    "revoke",
    "revoke a token on every running server, within 5 s",
    "signalbox token revoke 01JZ3V2M5T8Q4X9C7B6A1D0E2F",
  ).argument("<id>", "id of the token, as `token list` shows it");
  addJsonOption(addConfigOptions(revoke)).action(async (id: string, options: Options) => {
    const { values } = readCommandConfig(terminal, options);
    await withDatabase(values, (database) => revokeToken(database, id, systemClock));
    terminal.out(options.json ? JSON.stringify({ id, revoked: true }) : `Token ${id} is revoked`);
  });
}

function toJson(token: IssuedToken): object {
  return {
    id: token.id,
    name: token.name,
    scopes: token.scopes,
    projects: token.projects ?? null,
    state: stateOf(token),
    created_at: formatTime(token.createdAtMs),
    expires_at: formatTime(token.expiresAtMs),
    revoked_at: token.revokedAtMs === undefined ? null : formatTime(token.revokedAtMs),
  };
}

function stateOf({ revokedAtMs, expiresAtMs }: IssuedToken): "revoked" | "expired" | "valid" {
  if (revokedAtMs !== undefined) return "revoked";
  return expiresAtMs <= systemClock.nowMs() ? "expired" : "valid";
}

/** An option that is given twice adds to what it said the first time. */
function parseScopes(text: string, before: readonly Scope[] = []): readonly Scope[] {
  const named = text.split(",").map((name) => {
    if (isScope(name)) return name;
    if (name === "") throw new InvalidArgumentError(`Expected some of ${scopes.join(", ")}, with commas.`);
    const near = nearestName(name, scopes);
    throw new InvalidArgumentError(near ? `${name} is no scope. Did you mean ${near}?` : `${name} is no scope.`);
  });
  return [...new Set([...before, ...named])];
}

function parseProjects(text: string, before: readonly number[] = []): readonly number[] {
  return [...new Set([...before, ...text.split(",").map(parseId)])];
}

function parseName(text: string): string {
  if (text.trim() === "") throw new InvalidArgumentError("Expected some words.");
  return text;
}

function parseTtl(text: string): number {
  const lifetimeMs = parseDuration(text);
  if (lifetimeMs === undefined || lifetimeMs < 1_000 || lifetimeMs > maxTokenLifetimeMs)
    throw new InvalidArgumentError("Expected a duration such as 12h or 30d, at most 365d.");
  return lifetimeMs;
}
