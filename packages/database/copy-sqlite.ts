import { open, rm, stat } from "node:fs/promises";
import { type Clock, systemClock } from "@signalbox/kernel";
import Libsql from "libsql";
import LibsqlPromise from "libsql/promise";
import { DatabaseError } from "./errors.js";
import { sqliteError } from "./sqlite-errors.js";

export interface CopySqliteOptions {
  /** The database; other processes may read and write it meanwhile. */
  readonly path: string;
  /** File of the copy; there must be none yet. */
  readonly to: string;
  /**
   * Called at the moment that the copy shows, while nobody can write to the database. It should take milliseconds: writers
   * give up after their own patience.
   */
  readonly atMoment?: () => Promise<void>;
  /** Called now and then with the size of the copy so far. */
  readonly onProgress?: (bytes: number) => void;
  readonly clock?: Clock;
  /** How long to wait for other writers before the moment. Default: 30 s. */
  readonly waitMs?: number;
}

const watchMs = 2;
const progressMs = 200;

/**
 * Copies a SQLite file as of one moment, without what was deleted. Writers wait for that moment alone; while the copy is
 * written they go on, and the write-ahead log keeps growing. Resolves when the copy is durable; after a failure there is
 * none.
 * @throws {DatabaseError} `DATABASE_BUSY`, `DATABASE_FULL`, `DATABASE_ACCESS_DENIED` …, or what `atMoment` rejects with.
 */
export async function copySqlite(options: CopySqliteOptions): Promise<void> {
  const { path, to, atMoment, onProgress, clock = systemClock, waitMs = 30_000 } = options;
  // The driver would make a file that is missing, and neither refuses a file that is there nor keeps others from reading.
  await stat(path).catch((cause: unknown) => refuse(`There is no database ${path}.`, cause));
  await (await open(to, "wx", 0o600).catch((cause: unknown) => refuse(`${to} cannot be made.`, cause))).close();
  const writer = openFile(path);
  const reader = openFile(path);
  let copying: Promise<void> | undefined;
  let ended = false;
  try {
    // A small cache is spilled to the copy at once, which shows that its read has begun.
    reader.exec("pragma cache_size = -64");
    await keepOut(writer, clock, waitMs);
    copying = copyAll(reader, to).finally(() => {
      ended = true;
    });
    copying.catch(() => {});
    // The read is older than the first byte of the copy, and nobody writes in between.
    while (!ended && (await sizeOf(to)) === 0) await clock.sleep(watchMs);
    if (ended) await copying;
    await atMoment?.();
    writer.exec("rollback");
    while (!ended) {
      onProgress?.(await sizeOf(to));
      await Promise.race([copying, clock.sleep(progressMs)]);
    }
    await copying;
    await sync(to);
  } catch (error) {
    await copying?.catch(() => {});
    await rm(to, { force: true });
    throw error;
  } finally {
    writer.close();
    reader.close();
  }
}

function refuse(message: string, cause: unknown): never {
  throw new DatabaseError("DATABASE_ACCESS_DENIED", { message, cause });
}

function openFile(path: string): Libsql.Database {
  try {
    const database = new Libsql(path);
    database.exec("pragma busy_timeout = 10");
    return database;
  } catch (error) {
    throw sqliteError(error);
  }
}

async function keepOut(writer: Libsql.Database, clock: Clock, waitMs: number): Promise<void> {
  const deadlineMs = clock.monotonicMs() + waitMs;
  for (;;) {
    try {
      writer.exec("begin immediate");
      return;
    } catch (thrown) {
      const error = sqliteError(thrown);
      if (error.code !== "DATABASE_BUSY" || clock.monotonicMs() >= deadlineMs) throw error;
    }
    await clock.sleep(watchMs);
  }
}

/** In a thread of the driver, so that this process can do something else. */
async function copyAll(reader: Libsql.Database, to: string): Promise<void> {
  if (to.includes("\0")) throw new DatabaseError("DATABASE_INVALID_VALUE");
  try {
    await LibsqlPromise.prototype.exec.call(reader, `vacuum into '${to.replaceAll("'", "''")}'`);
  } catch (error) {
    throw sqliteError(error);
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch {
    return 0;
  }
}

async function sync(path: string): Promise<void> {
  const file = await open(path, "r+");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
