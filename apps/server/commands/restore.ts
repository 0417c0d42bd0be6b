import { resolve } from "node:path";
import { systemClock } from "@signalbox/kernel";
import type { Command } from "commander";
import { refuseServers } from "../backup/make-backup.js";
import { restoreBackup } from "../backup/restore-backup.js";
import { dataPaths } from "../data-paths.js";
import { createProgress, report, size } from "./backup-report.js";
import {
  addConfigOptions,
  addJsonOption,
  type ConfigOptions,
  type JsonOption,
  readCommandConfig,
  type Terminal,
} from "./command.js";

export function build(restore: Command, terminal: Terminal): void {
  restore.argument("<directory>", "of the backup");
  addJsonOption(addConfigOptions(restore)).action(async (directory: string, options: ConfigOptions & JsonOption) => {
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
