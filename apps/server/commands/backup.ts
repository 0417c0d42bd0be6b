import { resolve } from "node:path";
import { systemClock } from "@signalbox/kernel";
import type { Command } from "commander";
import { makeBackup, refuseServers } from "../backup/make-backup.js";
import { version } from "../version.js";
import { withApi } from "./api.js";
import { createProgress, report, size } from "./backup-report.js";
import {
  addConfigOptions,
  addJsonOption,
  type ConfigOptions,
  type JsonOption,
  readCommandConfig,
  type Terminal,
} from "./command.js";

export function build(backup: Command, terminal: Terminal): void {
  backup.argument("<directory>", "of the backup; it must not exist yet, or be empty");
  addJsonOption(addConfigOptions(backup)).action(async (directory: string, options: ConfigOptions & JsonOption) => {
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
