import { randomUUID } from "node:crypto";
import {
  accessSync,
  constants,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { type Clock, errorCode } from "@signalbox/kernel";
import { ServerError } from "./errors.js";

/** Who holds a data directory. */
export interface DirectoryHolder {
  readonly pid: number;
  readonly host: string;
  readonly startedAt: string;
  /** Tells a process from a later one with the same id; absent where the system does not say. */
  readonly startTicks?: string | undefined;
  /** Where it serves clients, and where metrics and health; known once it listens. */
  readonly url?: string | undefined;
  readonly metricsUrl?: string | undefined;
}

export interface DirectoryLock {
  /** The server that held the directory before and never gave it back: it was killed or crashed. */
  readonly crashed: DirectoryHolder | undefined;
  /** Tells other processes where the holder listens. */
  announce(addresses: Pick<DirectoryHolder, "url" | "metricsUrl">): void;
  /** Gives the directory back; a second call does nothing. */
  release(): void;
}

const fileName = "server.lock";

/** A holder on another host, whose process id says nothing here, shows that it lives by touching its lock file. */
const heartbeatMs = 5_000;
const silentAfterMs = 3 * heartbeatMs;
const watchEveryMs = 500;

/**
 * Takes the directory for this process alone, making it when it is absent. A lock that a dead process left behind is
 * taken over; when only one of several starting processes can have it, exactly one gets it.
 *
 * Process ids are compared on one host only. A holder on another one, as with containers that share a volume, counts as
 * alive when its lock file is touched within 15 s; this call waits that long.
 *
 * @throws {ServerError} `DATA_DIRECTORY_HELD` naming the process id; `DATA_DIRECTORY_UNUSABLE`.
 */
export async function lockDataDirectory(directory: string, clock: Clock, signal?: AbortSignal): Promise<DirectoryLock> {
  makeDataDirectory(directory);
  const path = join(directory, fileName);
  const mine: DirectoryHolder = {
    pid: process.pid,
    host: hostname(),
    startedAt: new Date(clock.nowMs()).toISOString(),
    startTicks: startTicks(process.pid),
  };
  let crashed: DirectoryHolder | undefined;
  while (!create(path, mine)) {
    const holder = readHolder(path);
    if (!holder) continue;
    if (await isAlive(path, holder, clock, signal)) throw heldBy(directory, holder);
    if (removeStale(path, holder)) crashed = holder;
  }
  return hold(path, mine, crashed, clock);
}

/** The live server that holds the directory, if any. Does not wait. */
export function directoryHolder(directory: string, clock: Clock): DirectoryHolder | undefined {
  const path = join(directory, fileName);
  const holder = readHolder(path);
  if (!holder) return undefined;
  const alive = isOfThisHost(holder) ? isRunning(holder) : clock.nowMs() - touchedMs(path) < silentAfterMs;
  return alive ? holder : undefined;
}

/** Stands in a data directory until a restore into it is complete. */
const restoreMarker = "restore.incomplete";

/** From now on nothing but the restore uses the directory. */
export function beginRestore(directory: string): void {
  writeFileSync(join(directory, restoreMarker), "", { mode: 0o600 });
}

export function endRestore(directory: string): void {
  rmSync(join(directory, restoreMarker));
}

/** @throws {ServerError} `DATA_DIRECTORY_UNUSABLE`, `RESTORE_CUT_OFF` */
export function makeDataDirectory(directory: string): void {
  if (existsSync(join(directory, restoreMarker)))
    throw new ServerError("RESTORE_CUT_OFF", { message: `A restore into ${directory} was cut off` });
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new ServerError("DATA_DIRECTORY_UNUSABLE", {
      cause,
      message: `The data directory ${directory} cannot be made (${errorCode(cause) ?? "unknown reason"})`,
    });
  }
  requireRights(directory, constants.R_OK | constants.W_OK | constants.X_OK);
}

/** Refuses what belongs to somebody else, before an engine stumbles over it. @throws {ServerError} `DATA_DIRECTORY_UNUSABLE` */
export function requireRights(path: string, mode = constants.R_OK | constants.W_OK): void {
  try {
    accessSync(path, mode);
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return;
    throw new ServerError("DATA_DIRECTORY_UNUSABLE", {
      cause,
      message: `User ${process.getuid?.() ?? "of this process"} may not read and write ${path} (${errorCode(cause) ?? "unknown reason"})`,
    });
  }
}

/** Makes the lock file with its content in one step, so that nobody reads half of it. */
function create(path: string, holder: DirectoryHolder): boolean {
  const draft = `${path}.${randomUUID()}`;
  try {
    writeFileSync(draft, `${JSON.stringify(holder)}\n`, { mode: 0o600 });
    linkSync(draft, path);
    return true;
  } catch (cause) {
    if (errorCode(cause) === "EEXIST") return false;
    throw new ServerError("DATA_DIRECTORY_UNUSABLE", {
      cause,
      message: `The data directory cannot be written to (${errorCode(cause) ?? "unknown reason"})`,
    });
  } finally {
    removeDraft(draft);
  }
}

function removeDraft(draft: string): void {
  try {
    rmSync(draft, { force: true });
  } catch {
    // Why it could not even be made has been said.
  }
}

function readHolder(path: string): DirectoryHolder | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw new ServerError("DATA_DIRECTORY_UNUSABLE", { cause: error });
  }
  try {
    const found: unknown = JSON.parse(text);
    if (isHolder(found)) return found;
  } catch {
    // Falls through: a file that is no lock of ours belongs to nobody.
  }
  return { pid: 0, host: hostname(), startedAt: "an unknown time" };
}

function isHolder(value: unknown): value is DirectoryHolder {
  if (typeof value !== "object" || value === null) return false;
  return "pid" in value && typeof value.pid === "number" && "host" in value && typeof value.host === "string";
}

async function isAlive(
  path: string,
  holder: DirectoryHolder,
  clock: Clock,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (isOfThisHost(holder)) return isRunning(holder);
  const before = touchedMs(path);
  const untilMs = clock.monotonicMs() + silentAfterMs;
  while (clock.monotonicMs() < untilMs) {
    await clock.sleep(watchEveryMs, { signal });
    if (touchedMs(path) !== before) return true;
  }
  return false;
}

function isOfThisHost(holder: DirectoryHolder): boolean {
  return holder.host === hostname();
}

function isRunning(holder: DirectoryHolder): boolean {
  if (holder.pid <= 0) return false;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if (errorCode(error) !== "EPERM") return false;
  }
  // The id may belong to another process by now, also to this one.
  const ticks = startTicks(holder.pid);
  if (ticks !== undefined && holder.startTicks !== undefined) return ticks === holder.startTicks;
  return holder.pid !== process.pid;
}

/** When a process was started, in clock ticks since the machine was. Only Linux tells. */
function startTicks(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The program's name, in brackets, may hold spaces; what follows is the third of the fields.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}

function touchedMs(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** Removes the lock of a dead holder, and no other that was made meanwhile. */
function removeStale(path: string, holder: DirectoryHolder): boolean {
  const aside = `${path}.${randomUUID()}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw new ServerError("DATA_DIRECTORY_UNUSABLE", { cause: error });
  }
  const taken = readHolder(aside);
  const isStale = taken?.pid === holder.pid && taken.startedAt === holder.startedAt;
  // Another process was faster and this is its fresh lock: back to its place.
  if (!isStale) linkSync(aside, path);
  rmSync(aside, { force: true });
  return isStale;
}

function heldBy(directory: string, holder: DirectoryHolder): ServerError {
  return new ServerError("DATA_DIRECTORY_HELD", {
    message: `Process ${holder.pid} on ${holder.host} holds the data directory ${directory} since ${holder.startedAt}`,
    details: { ...holder },
  });
}

function hold(path: string, mine: DirectoryHolder, crashed: DirectoryHolder | undefined, clock: Clock): DirectoryLock {
  let released = false;
  const isMine = (): boolean => {
    const holder = readHolder(path);
    return holder?.pid === mine.pid && holder.host === mine.host && holder.startedAt === mine.startedAt;
  };
  const announce = (addresses: Pick<DirectoryHolder, "url" | "metricsUrl">): void => {
    if (released || !isMine()) return;
    const draft = `${path}.${randomUUID()}`;
    writeFileSync(draft, `${JSON.stringify({ ...mine, ...addresses })}\n`, { mode: 0o600 });
    renameSync(draft, path);
  };
  const touch = (): void => {
    if (released) return;
    const now = new Date(clock.nowMs());
    if (isMine()) utimesSync(path, now, now);
    clock.setTimer(heartbeatMs, touch);
  };
  touch();
  return {
    crashed,
    announce,
    release() {
      if (released) return;
      released = true;
      if (isMine()) rmSync(path, { force: true });
    },
  };
}
