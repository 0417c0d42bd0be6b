import type { Projects } from "@signalbox/error-tracking/projects";
import type { Command } from "commander";
import { withDatabase } from "../stores.js";
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

export function build(project: Command, terminal: Terminal): void {
  const withProjects = <T>(options: Options, work: (projects: Projects) => Promise<T>): Promise<T> => {
    const { values } = readCommandConfig(terminal, options);
    return withDatabase(values, (database) => work(projectsOf(database, values)));
  };

  const create = defineCommand(
    project,
    "create",
    "make a project with one key",
    "signalbox project create shop --json",
  );
  addJsonOption(addConfigOptions(create.argument("<name>", "what it is called"))).action(
    async (name: string, options: Options) => {
      const { id, dsn, ...made } = await withProjects(options, (projects) => projects.create(name));
      if (options.json) terminal.out(JSON.stringify({ id, name: made.name, dsn }));
      else terminal.out(`Project ${id} (${made.name})\nDSN ${dsn}`);
    },
  );

  const list = defineCommand(project, "list", "list all projects", "signalbox project list");
  addJsonOption(addConfigOptions(list)).action(async (options: Options) => {
    const projects = await withProjects(options, (found) => found.list());
    const rows = projects.map(({ id, slug, name, active, dsn }) => ({ id, slug, name, active, dsn: dsn ?? null }));
    if (options.json) terminal.out(JSON.stringify(rows, null, 2));
    else
      terminal.out(
        table(
          ["ID", "SLUG", "NAME", "STATE", "DSN"],
          rows.map((row) => [
            String(row.id),
            row.slug,
            row.name,
            row.active ? "active" : "disabled",
            row.dsn ?? "none",
          ]),
        ),
      );
  });

  const keys = defineCommand(project, "keys", "list the keys of a project", "signalbox project keys 1");
  addJsonOption(addConfigOptions(keys.argument("<project>", "id of the project", parseId))).action(
    async (id: number, options: Options) => {
      const rows = await withProjects(options, async (projects) => {
        await requireProjects(projects, [id]);
        return projects.keys(id);
      });
      const shown = rows.map((key) => ({
        id: key.id,
        label: key.label,
        active: key.active,
        dsn: key.dsn,
        last_used_at: key.lastUsedAtMs === undefined ? null : formatTime(key.lastUsedAtMs),
        expires_at: key.expiresAtMs === undefined ? null : formatTime(key.expiresAtMs),
      }));
      if (options.json) terminal.out(JSON.stringify(shown, null, 2));
      else
        terminal.out(
          table(
            ["ID", "LABEL", "STATE", "LAST USED", "DSN"],
            shown.map((key) => [
              String(key.id),
              key.label,
              key.active ? "active" : "disabled",
              key.last_used_at ?? "never",
              key.dsn,
            ]),
          ),
        );
    },
  );
}
