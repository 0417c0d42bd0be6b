import type { Database } from "@signalbox/database";
import { ProjectError } from "@signalbox/error-tracking/project-errors";
import { createProjects, type Projects } from "@signalbox/error-tracking/projects";
import { systemClock } from "@signalbox/kernel";
import type { ServerConfig } from "../config.js";
import { publicUrl } from "../stores.js";

export function projectsOf(database: Database, config: ServerConfig): Projects {
  return createProjects({
    database,
    clock: systemClock,
    serverUrl: () => publicUrl(config),
    groupingVersion: config.errorTracking.grouping.version,
  });
}

/** @throws {ProjectError} `ET_PROJECT_NOT_FOUND` naming the first that does not exist */
export async function requireProjects(projects: Projects, ids: readonly number[]): Promise<void> {
  for (const id of ids)
    if (!(await projects.get(id)))
      throw new ProjectError("ET_PROJECT_NOT_FOUND", { message: `There is no project ${id}` });
}
