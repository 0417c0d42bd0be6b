import { identity, identityType, type Migration } from "@signalbox/database";
import { type Generated, type Kysely, sql } from "kysely";

export interface ProjectTables {
  projects: ProjectsTable;
  project_keys: ProjectKeysTable;
  project_revision: ProjectRevisionTable;
}

export interface ProjectsTable {
  id: Generated<number>;
  /** Unique; stands in short ids and URLs. */
  slug: string;
  name: string;
  /** 1 or 0. A project that is not active refuses all events. */
  active: Generated<number>;
  /** Milliseconds since the Unix epoch, as all times here. */
  created_at: number;
  /** JSON; see `readProjectSettings`. */
  settings: Generated<string>;
}

export interface ProjectKeysTable {
  id: Generated<number>;
  project_id: number;
  /** What the DSN carries; unique over all projects, because some routes name no project. */
  public_key: string;
  label: string;
  active: Generated<number>;
  /** JSON list of quotas. */
  quotas: Generated<string>;
  /** JSON list of globs. */
  allowed_origins: Generated<string>;
  created_at: number;
  last_used_at: Generated<number | null>;
  /** From then on the key is refused: set when it was replaced by another. */
  expires_at: Generated<number | null>;
}

/** One row. Rises with every change of a project or key, so that caches see with one small read that they are stale. */
interface ProjectRevisionTable {
  id: number;
  revision: number;
}

export const projectMigrations: readonly Migration[] = [
  {
    name: "0001_projects_and_keys",
    async up(db: Kysely<unknown>, engine) {
      await db.schema
        .createTable("projects")
        .addColumn("id", identityType(engine), identity(engine))
        .addColumn("slug", "text", (column) => column.notNull().unique())
        .addColumn("name", "text", (column) => column.notNull())
        .addColumn("active", "integer", (column) => column.notNull().defaultTo(1))
        .addColumn("created_at", "bigint", (column) => column.notNull())
        .execute();
      await db.schema
        .createTable("project_keys")
        .addColumn("id", identityType(engine), identity(engine))
        .addColumn("project_id", "bigint", (column) => column.notNull().references("projects.id").onDelete("cascade"))
        .addColumn("public_key", "text", (column) => column.notNull().unique())
        .addColumn("label", "text", (column) => column.notNull())
        .addColumn("active", "integer", (column) => column.notNull().defaultTo(1))
        .addColumn("quotas", "text", (column) => column.notNull().defaultTo("[]"))
        .addColumn("created_at", "bigint", (column) => column.notNull())
        .addColumn("last_used_at", "bigint")
        .addColumn("expires_at", "bigint")
        .execute();
      await db.schema.createIndex("project_keys_by_project").on("project_keys").column("project_id").execute();
      await db.schema
        .createTable("project_revision")
        .addColumn("id", "integer", (column) => column.primaryKey())
        .addColumn("revision", "bigint", (column) => column.notNull())
        .execute();
      await sql`insert into project_revision (id, revision) values (1, 0)`.execute(db);
    },
  },
];
