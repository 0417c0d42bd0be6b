import { resolve } from "node:path";
import { systemClock } from "@signalbox/kernel";
import type { Command } from "commander";
import { makeBackup, refuseServers } from "../backup/make-backup.js";
import type { Manifest } from "../backup/manifest.js";
import { restoreBackup } from "../backup/restore-backup.js";
import { dataPaths } from "../data-paths.js";
import { version } from "../version.js";
import { withApi } from "./api.js";
import {
  addConfigOptions,
  addJsonOption,
  type ConfigOptions,
  defineCommand,
  type JsonOption,
  readCommandConfig,
  type Terminal,
} from "./command.js";

const progressMs = 2_000;
const mebibyte = 1024 * 1024;

export function addBackupCommand(program: Command, terminal: Terminal): void {
  const command = defineCommand(
    program,
    "backup",
    "copy the embedded stores and keys as they are at one moment, while the server runs",
    "signalbox backup /backups/2026-05-01",
  ).argument("<directory>", "of the backup; it must not exist yet, or be empty");
  addJsonOption(addConfigOptions(command)).action(async (directory: string, options: ConfigOptions & JsonOption) => {
    const { values: config } = readCommandConfig(terminal, options);
    refuseServers(config);
    const say = createProgress(terminal);
    const startedMs = systemClock.monotonicMs();
    const manifest = await withApi(
      { config, terminal, withHistory: true, prefix: "/api/v1", scopes: ["admin"], probe: "/projects" },
      (api) =>
        makeBackup({
          config,
          directory: resolve(directory),
          version,
          clock: systemClock,
          freeze: async (name) => void (await api.ask("POST", "/backup/freezes", { name })),
          onProgress: (step, bytes) =>
            say(step === "database" ? `Copying the database … ${size(bytes)}` : `Copying files … ${size(bytes)}`),
        }),
    );
    const tookS = (systemClock.monotonicMs() - startedMs) / 1000;
    if (options.json) terminal.out(JSON.stringify(report(resolve(directory), manifest, tookS), null, 2));
    else
      terminal.out(
        `Backup of ${manifest.taken_at} in ${resolve(directory)}: ${manifest.files} files, ${size(manifest.bytes)}, in ${tookS.toFixed(1)} s`,
      );
  });
}

export function addRestoreCommand(program: Command, terminal: Terminal): void {
  const command = defineCommand(
    program,
    "restore",
    "make an empty data directory what it was when a backup was taken",
    "signalbox restore /backups/2026-05-01",
  ).argument("<directory>", "of the backup");
  addJsonOption(addConfigOptions(command)).action(async (directory: string, options: ConfigOptions & JsonOption) => {
    const { values: config } = readCommandConfig(terminal, options);
    refuseServers(config);
    const say = createProgress(terminal);
    const startedMs = systemClock.monotonicMs();
    const target = dataPaths(config).directory;
    const manifest = await restoreBackup({
      config,
      directory: resolve(directory),
      clock: systemClock,
      onProgress: (bytes, of) => say(`Restoring … ${size(bytes)} of ${size(of)}`),
    });
    const tookS = (systemClock.monotonicMs() - startedMs) / 1000;
    if (options.json) terminal.out(JSON.stringify(report(target, manifest, tookS), null, 2));
    else terminal.out(`${target} is as it was at ${manifest.taken_at}; \`signalbox serve\` goes on from there`);
  });
}

function report(directory: string, manifest: Manifest, tookS: number): object {
  const { taken_at, version: madeBy, files, bytes } = manifest;
  return { directory, taken_at, version: madeBy, files, bytes, duration_s: Number(tookS.toFixed(3)) };
}

/** Says how far it is, now and then, beside what the command prints. */
function createProgress(terminal: Terminal): (line: string) => void {
  let lastMs = systemClock.monotonicMs();
  return (line) => {
    if (systemClock.monotonicMs() - lastMs < progressMs) return;
    lastMs = systemClock.monotonicMs();
    terminal.err(line);
  };
}

function size(bytes: number): string {
  return `${(bytes / mebibyte).toFixed(1)} MiB`;
}
