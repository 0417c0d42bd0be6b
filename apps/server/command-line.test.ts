import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createProgram, runCommandLine } from "./command-line.js";
import { commands } from "./commands/index.js";

const names = commands.map(({ name }) => name);
// Their modules are all of the server: on nobody's time.
await Promise.all(commands.map(({ load }) => load()));

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "signalbox-cli-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe("command line", () => {
  test("PF-013 every command has a description and a help with an example", async () => {
    const commands = allCommands(await createProgram(terminal(), names));
    expect(commands.length).toBeGreaterThan(10);
    for (const command of commands) {
      let help = "";
      command.configureOutput({
        writeOut: (text) => {
          help += text;
        },
      });
      command.outputHelp();
      expect(help, command.name()).toMatch(/\nExample:\n {2}\$ .*signalbox /);
      expect(command.description(), command.name()).not.toBe("");
    }
  });

  test.each([
    ["help", "--help"],
    ["help token", "token --help"],
    ["help token create", "token create --help"],
    ["help --help", "--help"],
  ])("PF-013 %s is %s", async (one, other) => {
    const [asked, meant] = [await run(one), await run(other)];
    expect(asked).toEqual(meant);
    expect([asked.exitCode, asked.err]).toEqual([0, ""]);
    expect(asked.out).toMatch(/^Usage: signalbox /);
  });

  test("PF-013 the help says what exit codes mean", async () => {
    expect((await run("--help")).out).toMatch(/Exit codes:\n {2}0 {2}done\n {2}1 {2}failed.*\n {2}2 {2}/);
  });

  test("PF-013 the help names what is required, and defaults as they would be written", async () => {
    const { out: create } = await run("token create --help");
    expect(create.replaceAll(/\s+/g, " ")).toMatch(/--scope <scope,…> [^-]*timeline:read, admin \(required\)/);
    expect(create).toContain("(default: 30d)");
    expect((await run("serve --help")).out).toContain("(default: all)");
    expect((await run("verify --help")).out.replaceAll(/\s+/g, " ")).toContain("(default: 1d)");
  });

  test("what came from outside is printed as text, never as a command to the terminal", async () => {
    const { err } = await run("\u001b]0;title\u0007");
    expect(err).toContain("unknown command '\\u001b]0;title\\u0007'");
  });

  test("PF-013 commands that print data have --json", async () => {
    const without = allCommands(await createProgram(terminal(), names))
      .filter((command) => command.commands.length === 0 && command.options.every(({ long }) => long !== "--json"))
      .map((command) => command.name());
    // The dashboard is JSON in any case.
    expect(without.sort()).toEqual(["dashboard", "serve"]);
  });

  test.for([
    ["config print --jsn", "unknown option '--jsn'", "--json"],
    ["serve --onyl worker", "unknown option '--onyl'", "--only"],
    ["migrat", "unknown command 'migrat'", "migrate"],
    ["token creat", "unknown command 'creat'", "create"],
    ["help migrat", "unknown command 'migrat'", "migrate"],
    ["help token creat", "unknown command 'creat'", "create"],
    ["migrat --help", "unknown command 'migrat'", "migrate"],
    ["token creat --help", "unknown command 'creat'", "create"],
  ] as const)("PF-013 %s is refused with the nearest known one and exit code 2", async ([line, refusal, nearest]) => {
    const { exitCode, err } = await run(line);
    expect(exitCode).toBe(2);
    expect(err).toContain(refusal);
    expect(err).toContain(`(Did you mean ${nearest}?)`);
  });

  test.for([
    "",
    "token",
    "project create",
    "token create",
    "config print extra",
    "serve --only relays",
    "serve --only ,",
  ])("PF-013 an incomplete or surplus line is usage: signalbox %s", async (line) => {
    const { exitCode, out, err } = await run(line);
    expect(exitCode).toBe(2);
    expect(out).toBe("");
    expect(err).not.toBe("");
  });

  test.for([
    ["--scope errors:raed", "errors:raed is no scope. Did you mean errors:read?"],
    ["--scope errors:read --ttl 366d", "at most 365d"],
    ["--scope errors:read --ttl forever", "a duration such as 12h"],
    ["--scope errors:read --project one", "Not an id"],
    ["--scope errors:read,", "Expected some of"],
  ] as const)("PF-032 token create %s is refused", async ([options, refusal]) => {
    const { exitCode, err } = await run(`token create ${options}`);
    expect(exitCode).toBe(2);
    expect(err).toContain(refusal);
  });

  test.for([
    [["errors", "list", "--project", "1", "--limit", "many"], "Not a number"],
    [["errors", "explain", "42", "--project", "1"], "32 hex digits"],
    [["token", "create", "--scope", "errors:read", "--name", " "], "Expected some words"],
    [["token", "create", "--scope", ""], "Expected some of"],
    [["relay", "explain", "x"], "Neither 64 hex digits"],
    [["verify", "--since", "0"], "Not a duration"],
    [["project", "keys", "0"], "Not an id"],
  ] as const)(
    "PF-013 a value of the wrong form is usage, and nothing is opened for it: %j",
    async ([line, refusal]) => {
      const { written, ...rest } = terminal();
      const dataDirectory = join(directory, "untouched");
      expect(await runCommandLine([...line, "--data-dir", dataDirectory], rest)).toBe(2);
      expect(written.err.join("\n")).toContain(refusal);
      expect(existsSync(dataDirectory)).toBe(false);
    },
  );

  test("PF-013 what the line names must exist, and is named when it does not", async () => {
    for (const line of ["token create --scope errors:read --project 1,99", "project keys 99", "token revoke nothing"]) {
      const { exitCode, err } = await run(`${line} --data-dir ${directory}`);
      expect(exitCode, line).toBe(1);
      expect(err, line).toMatch(
        /^There is no (project (1|99)|token nothing) \(.*\)\n {2}`signalbox (project|token) list`/,
      );
    }
    expect((await run(`token list --json --data-dir ${directory}`)).out).toBe("[]");
  });

  test("what cannot be read and written is named before an engine stumbles over it", async () => {
    const database = join(directory, "signalbox.db");
    symlinkSync(database, database);
    const { exitCode, err } = await run(`token list --data-dir ${directory}`);
    expect(exitCode).toBe(1);
    expect(err).toMatch(new RegExp(`may not read and write ${database} \\(ELOOP\\) \\(DATA_DIRECTORY_UNUSABLE\\)`));
    expect(err).toContain("`data_dir`");
  });

  test("PF-011 a data directory that is none is a finding, also as JSON", async () => {
    const file = join(directory, "file");
    writeFileSync(file, "");
    const { exitCode, out } = await run(`doctor --json --data-dir ${file}`);
    expect(exitCode).toBe(1);
    expect(JSON.parse(out)).toEqual([
      expect.objectContaining({ subject: "configuration", status: "ok" }),
      expect.objectContaining({
        subject: "data directory",
        status: "broken",
        advice: expect.stringContaining("data_dir"),
      }),
    ]);
  });

  test("PF-013 help and version are answers, not errors", async () => {
    expect(await run("--help")).toMatchObject({ exitCode: 0, err: "" });
    expect(await run("token create --help")).toMatchObject({ exitCode: 0, err: "" });
    expect(await run("--version")).toMatchObject({ exitCode: 0, out: "0.1.0" });
  });

  test("PF-020 sources rise from file over variable to flag", async () => {
    const file = join(directory, "box.yaml");
    writeFileSync(file, "data_dir: /from/file\nlisten: 127.0.0.1:1\nlog:\n  level: warn\n");
    const { exitCode, out } = await run(`config print --json --config ${file} --data-dir /from/flag`, {
      SIGNALBOX_DATA_DIR: "/from/variable",
      SIGNALBOX_LISTEN: "127.0.0.1:2",
    });
    expect(exitCode).toBe(0);
    expect(JSON.parse(out)).toEqual(
      expect.arrayContaining([
        { key: "data_dir", value: "/from/flag", source: "--data-dir" },
        { key: "listen", value: "127.0.0.1:2", source: "SIGNALBOX_LISTEN" },
        { key: "log.level", value: "warn", source: `${file}:4` },
        { key: "metrics_listen", value: "127.0.0.1:9464", source: "default" },
      ]),
    );
  });

  test("PF-020 a bad configuration fails with every problem, and is not a usage error", async () => {
    const { exitCode, err } = await run("config print", {
      SIGNALBOX_LISTN: "127.0.0.1:2",
      SIGNALBOX_LOG_LEVEL: "loud",
    });
    expect(exitCode).toBe(1);
    expect(err).toContain("SIGNALBOX_LISTN: unknown variable; did you mean SIGNALBOX_LISTEN?");
    expect(err).toContain('log.level is "loud": expected one of debug, info, warn, error, silent');
  });

  test("PF-020 a configuration file that was asked for must exist; the usual one need not", async () => {
    expect(await run("config print --config nowhere.yaml")).toMatchObject({
      exitCode: 1,
      err: expect.stringContaining("nowhere.yaml"),
    });
    expect(await run("config print", { SIGNALBOX_CONFIG: "nowhere.yaml" })).toMatchObject({ exitCode: 1 });
  });

  test("PF-021 config print masks secrets", async () => {
    const { out } = await run("config print", { SIGNALBOX_DATABASE_URL: "postgres://box:hunter2@db/box" });
    expect(out).toContain("database_url");
    expect(out).not.toContain("hunter2");
  });
});

function allCommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allCommands)];
}

function terminal(env: Readonly<Record<string, string>> = {}) {
  const written: { out: string[]; err: string[] } = { out: [], err: [] };
  return {
    written,
    env,
    isTerminal: false,
    out: (line: string) => void written.out.push(line),
    err: (line: string) => void written.err.push(line),
    ready: () => {},
    exit: () => {},
    kill: () => {},
  };
}

async function run(line: string, env: Readonly<Record<string, string>> = {}) {
  const { written, ...rest } = terminal(env);
  const exitCode = await runCommandLine(line.split(" ").filter(Boolean), rest);
  return { exitCode, out: written.out.join("\n"), err: written.err.join("\n") };
}
