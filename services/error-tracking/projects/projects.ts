import { randomBytes } from "node:crypto";
import type { Database } from "@signalbox/database";
import type { Clock } from "@signalbox/kernel";
import { dsnFor } from "@signalbox/sentry-protocol";
import type { Insertable, Selectable, Transaction } from "kysely";
import { firstGroupingVersion } from "../grouping/group-event.js";
import type { ProjectKeysTable, ProjectsTable, ProjectTables } from "../migrations/projects-migration.js";
import { ProjectError } from "./project-errors.js";
import type { Quota } from "./quotas.js";

export interface Project {
  readonly id: number;
  readonly name: string;
  readonly slug: string;
  /** False: all its events are refused. */
  readonly active: boolean;
  readonly createdAtMs: number;
}

export interface ProjectKey {
  readonly id: number;
  readonly projectId: number;
  readonly publicKey: string;
  readonly label: string;
  readonly active: boolean;
  readonly quotas: readonly Quota[];
  /** Globs over the web origins that browsers may send from; none: all. */
  readonly allowedOrigins: readonly string[];
  readonly createdAtMs: number;
  /** To the minute, and undefined before the first use. */
  readonly lastUsedAtMs: number | undefined;
  /** From then on the key is refused. */
  readonly expiresAtMs: number | undefined;
  readonly dsn: string;
}

export interface ProjectChanges {
  readonly name?: string | undefined;
  readonly slug?: string | undefined;
  readonly active?: boolean | undefined;
}

export interface KeyChanges {
  readonly label?: string | undefined;
  readonly active?: boolean | undefined;
  readonly quotas?: readonly Quota[] | undefined;
  readonly allowedOrigins?: readonly string[] | undefined;
}

export interface NewKey {
  readonly label?: string | undefined;
  /** Put before the 32 random hex digits, as `glet_`. */
  readonly prefix?: string | undefined;
}

/**
 * Projects and the keys by which SDKs send to them. Every method may be called concurrently, also by several
 * processes; a change is seen by every process's key cache within 5 seconds.
 *
 * Rejects with a `ProjectError`, or with the database's errors.
 */
export interface Projects {
  /**
   * Makes a project with one key. The slug is made of the name, with a number behind it when it is taken.
   * @throws {ProjectError} `ET_PROJECT_NAME_INVALID`
   */
  create(name: string): Promise<Project & { readonly dsn: string }>;
  /**
   * The project `default`: made by the first call ever, however many processes race for it. Undefined when there
   * were projects and none is called so: it was renamed or deleted on purpose.
   */
  ensureDefault(): Promise<(Project & { readonly dsn: string }) | undefined>;
  /** All projects by number, each with the DSN of its oldest usable key. */
  list(): Promise<readonly (Project & { readonly dsn: string | undefined })[]>;
  get(id: number): Promise<Project | undefined>;
  /** @throws {ProjectError} `ET_PROJECT_NOT_FOUND`, `…_NAME_INVALID`, `…_SLUG_INVALID`, `…_SLUG_TAKEN` */
  update(id: number, changes: ProjectChanges): Promise<Project>;
  /** Removes project and keys, not what was stored for it. True when this call did it. The number is never used again. */
  remove(id: number): Promise<boolean>;

  /** Keys of a project, oldest first. @throws {ProjectError} `ET_PROJECT_NOT_FOUND` */
  keys(projectId: number): Promise<readonly ProjectKey[]>;
  /** @throws {ProjectError} `ET_PROJECT_NOT_FOUND` */
  createKey(projectId: number, key?: NewKey): Promise<ProjectKey>;
  /** @throws {ProjectError} `ET_KEY_NOT_FOUND` */
  updateKey(projectId: number, keyId: number, changes: KeyChanges): Promise<ProjectKey>;
  /** @throws {ProjectError} `ET_KEY_NOT_FOUND`; `ET_KEY_LAST` */
  deleteKey(projectId: number, keyId: number): Promise<void>;
  /**
   * Makes a key that replaces another one, with the same label, quotas and origins; the old one works `graceMs` longer.
   * @throws {ProjectError} `ET_KEY_NOT_FOUND`
   */
  rotateKey(projectId: number, keyId: number, graceMs: number): Promise<ProjectKey>;
}

export interface ProjectsOptions {
  readonly database: Database;
  readonly clock: Clock;
  /** Address under which clients reach the server; asked for each time, as it may be known only after listening. */
  serverUrl(): string;
  /** The algorithm that new projects are pinned to. Default: the first one. */
  readonly groupingVersion?: number;
}

/** Woken after each change of a project or key. */
export const projectsChannel = "projects";

type Work<T> = (transaction: Transaction<ProjectTables>) => Promise<T>;

export function createProjects({
  database,
  clock,
  serverUrl,
  groupingVersion = firstGroupingVersion,
}: ProjectsOptions): Projects {
  const settings = groupingVersion === firstGroupingVersion ? "{}" : JSON.stringify({ groupingVersion });
  const reader = () => database.reader<ProjectTables>();

  /**
   * All changes take the one row of `project_revision` first, so they run one after the other, and what they read
   * stays true until they commit.
   */
  const change = <T>(work: Work<T>): Promise<T> =>
    database.transaction(async (transaction: Transaction<ProjectTables>) => {
      await transaction
        .updateTable("project_revision")
        .set((row) => ({ revision: row("revision", "+", 1) }))
        .execute();
      const result = await work(transaction);
      database.notify(projectsChannel);
      return result;
    });

  const insertKey = async (
    transaction: Transaction<ProjectTables>,
    projectId: number,
    key: Pick<Insertable<ProjectKeysTable>, "label" | "quotas" | "allowed_origins"> & {
      readonly prefix?: string | undefined;
    },
  ): Promise<ProjectKey> => {
    const row = await transaction
      .insertInto("project_keys")
      .values({
        project_id: projectId,
        public_key: `${key.prefix ?? ""}${randomBytes(16).toString("hex")}`,
        label: key.label,
        quotas: key.quotas ?? "[]",
        allowed_origins: key.allowed_origins ?? "[]",
        created_at: clock.nowMs(),
      })
      .returningAll()
      .executeTakeFirstOrThrow();
    return toKey(row);
  };

  const insertProject = async (transaction: Transaction<ProjectTables>, name: string) => {
    const row = await transaction
      .insertInto("projects")
      .values({ slug: await freeSlug(transaction, name), name, created_at: clock.nowMs(), settings })
      .returningAll()
      .executeTakeFirstOrThrow();
    const { dsn } = await insertKey(transaction, row.id, { label: "Default" });
    return { ...toProject(row), dsn };
  };

  const toKey = (row: Selectable<ProjectKeysTable>): ProjectKey => ({
    id: row.id,
    projectId: row.project_id,
    publicKey: row.public_key,
    label: row.label,
    active: row.active === 1,
    quotas: JSON.parse(row.quotas),
    allowedOrigins: JSON.parse(row.allowed_origins),
    createdAtMs: row.created_at,
    lastUsedAtMs: row.last_used_at ?? undefined,
    expiresAtMs: row.expires_at ?? undefined,
    dsn: dsnFor(serverUrl(), row.public_key, row.project_id),
  });

  const isUsable = (key: ProjectKey): boolean =>
    key.active && (key.expiresAtMs === undefined || key.expiresAtMs > clock.nowMs());

  const projects: Projects = {
    async create(name) {
      const valid = checkName(name);
      return change((transaction) => insertProject(transaction, valid));
    },

    async ensureDefault() {
      const find = async () => (await projects.list()).find((project) => project.slug === "default");
      const isFirst = async (db: Pick<Transaction<ProjectTables>, "selectFrom">, untouched: number) =>
        (await db.selectFrom("project_revision").select("revision").executeTakeFirst())?.revision === untouched;
      if (await isFirst(reader(), 0)) {
        // Inside the change its own step is counted already; everyone else's made it greater.
        await change(async (transaction) => {
          if (await isFirst(transaction, 1)) await insertProject(transaction, "default");
        });
      }
      const found = await find();
      return found?.dsn === undefined ? undefined : { ...found, dsn: found.dsn };
    },

    async list() {
      const rows = await reader().selectFrom("projects").selectAll().orderBy("id").execute();
      const keys = (await reader().selectFrom("project_keys").selectAll().orderBy("id").execute()).map(toKey);
      return rows.map((row) => ({
        ...toProject(row),
        dsn: keys.find((key) => key.projectId === row.id && isUsable(key))?.dsn,
      }));
    },

    async get(id) {
      const row = await reader().selectFrom("projects").selectAll().where("id", "=", id).executeTakeFirst();
      return row && toProject(row);
    },

    update: (id, changes) =>
      change(async (transaction) => {
        const { name, slug, active } = changes;
        if (slug !== undefined) await checkSlug(transaction, id, slug);
        const row = await transaction
          .updateTable("projects")
          .set({
            ...(name === undefined ? {} : { name: checkName(name) }),
            ...(slug === undefined ? {} : { slug }),
            // A statement needs something to set.
            active: active === undefined ? (ref) => ref.ref("active") : Number(active),
          })
          .where("id", "=", id)
          .returningAll()
          .executeTakeFirst();
        if (!row) throw new ProjectError("ET_PROJECT_NOT_FOUND");
        return toProject(row);
      }),

    remove: (id) =>
      change(async (transaction) => {
        const removed = await transaction.deleteFrom("projects").where("id", "=", id).executeTakeFirst();
        return removed.numDeletedRows > 0;
      }),

    async keys(projectId) {
      if (!(await projects.get(projectId))) throw new ProjectError("ET_PROJECT_NOT_FOUND");
      const rows = await reader()
        .selectFrom("project_keys")
        .selectAll()
        .where("project_id", "=", projectId)
        .orderBy("id")
        .execute();
      return rows.map(toKey);
    },

    createKey: (projectId, key = {}) =>
      change(async (transaction) => {
        const project = await transaction
          .selectFrom("projects")
          .select("id")
          .where("id", "=", projectId)
          .executeTakeFirst();
        if (!project) throw new ProjectError("ET_PROJECT_NOT_FOUND");
        return insertKey(transaction, projectId, { label: key.label ?? "", prefix: key.prefix });
      }),

    updateKey: (projectId, keyId, { label, active, quotas, allowedOrigins }) =>
      change(async (transaction) => {
        const row = await transaction
          .updateTable("project_keys")
          .set({
            ...(label === undefined ? {} : { label }),
            ...(quotas === undefined ? {} : { quotas: JSON.stringify(quotas) }),
            ...(allowedOrigins === undefined ? {} : { allowed_origins: JSON.stringify(allowedOrigins) }),
            active: active === undefined ? (ref) => ref.ref("active") : Number(active),
          })
          .where("id", "=", keyId)
          .where("project_id", "=", projectId)
          .returningAll()
          .executeTakeFirst();
        if (!row) throw new ProjectError("ET_KEY_NOT_FOUND");
        return toKey(row);
      }),

    deleteKey: (projectId, keyId) =>
      change(async (transaction) => {
        const keys = await transaction
          .selectFrom("project_keys")
          .select("id")
          .where("project_id", "=", projectId)
          .execute();
        if (!keys.some((key) => key.id === keyId)) throw new ProjectError("ET_KEY_NOT_FOUND");
        if (keys.length === 1) throw new ProjectError("ET_KEY_LAST");
        await transaction.deleteFrom("project_keys").where("id", "=", keyId).execute();
      }),

    rotateKey: (projectId, keyId, graceMs) =>
      change(async (transaction) => {
        const old = await transaction
          .updateTable("project_keys")
          .set({ expires_at: clock.nowMs() + graceMs })
          .where("id", "=", keyId)
          .where("project_id", "=", projectId)
          .returningAll()
          .executeTakeFirst();
        if (!old) throw new ProjectError("ET_KEY_NOT_FOUND");
        const prefix = /^(.*_)[0-9a-f]{32}$/.exec(old.public_key)?.[1];
        return insertKey(transaction, projectId, {
          label: old.label,
          quotas: old.quotas,
          allowed_origins: old.allowed_origins,
          prefix,
        });
      }),
  };
  return projects;
}

function toProject(row: Selectable<ProjectsTable>): Project {
  return { id: row.id, name: row.name, slug: row.slug, active: row.active === 1, createdAtMs: row.created_at };
}

const namePattern = /^[^\p{Cc}\p{Surrogate}]{1,100}$/u;
const slugPattern = /^[a-z0-9_-]{1,50}$/;
const numberPattern = /^[0-9]+$/;

function checkName(name: string): string {
  const trimmed = name.trim();
  if (!namePattern.test(trimmed)) throw new ProjectError("ET_PROJECT_NAME_INVALID");
  return trimmed;
}

async function checkSlug(transaction: Transaction<ProjectTables>, id: number, slug: string): Promise<void> {
  // A slug that is a number could be mistaken for another project's id.
  if (!slugPattern.test(slug) || numberPattern.test(slug)) throw new ProjectError("ET_PROJECT_SLUG_INVALID");
  const owner = await transaction.selectFrom("projects").select("id").where("slug", "=", slug).executeTakeFirst();
  if (owner && owner.id !== id) throw new ProjectError("ET_PROJECT_SLUG_TAKEN");
}

async function freeSlug(transaction: Transaction<ProjectTables>, name: string): Promise<string> {
  const words = name
    .normalize("NFKD")
    .toLowerCase()
    .replace(/\p{Mark}/gu, "")
    .replace(/[^a-z0-9_]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 40);
  const base = words === "" || numberPattern.test(words) ? `project${words && `-${words}`}` : words;
  const similar = await transaction.selectFrom("projects").select("slug").where("slug", "like", `${base}%`).execute();
  const taken = new Set(similar.map((row) => row.slug));
  let slug = base;
  for (let number = 2; taken.has(slug); number++) slug = `${base}-${number}`;
  return slug;
}
