import { chmodSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readTexts } from "./spooled-texts.js";
import type { WarnOnce } from "./warn-once.js";

/** Keeps on disk what could not be sent, for the next start. */
export interface Spool {
  /** Resolves with whether the texts are kept. Never rejects. */
  write(checkpoints: readonly string[]): Promise<boolean>;
  /** The oldest file of an earlier start that was not taken yet. A file that cannot be read is put aside and passed over. */
  take(): Promise<SpooledBatch | undefined>;
}

export interface SpooledBatch {
  /** JSON texts of checkpoints. */
  readonly checkpoints: readonly string[];
  /** Forgets the file: everything in it is sent or refused. */
  remove(): Promise<void>;
}

export interface SpoolOptions {
  readonly directory: string;
  readonly newUlid: () => string;
  readonly warn: WarnOnce;
}

const mostBytes = 64 * 1_024 * 1_024;
const suffix = ".spool.json";

/** @throws when the directory cannot be made: that is a mistake of the options */
export function openSpool({ directory, newUlid, warn }: SpoolOptions): Spool {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  // What this process writes is for the next one: else a tracker that is away would be asked over and over.
  const fromBefore = spoolFiles(directory);

  const makeRoom = async (bytes: number): Promise<void> => {
    const files = spoolFiles(directory).map((name) => ({ name, bytes: sizeOf(join(directory, name)) }));
    let total = files.reduce((sum, file) => sum + file.bytes, bytes);
    for (const { name, bytes: freed } of files) {
      if (total <= mostBytes) return;
      await rm(join(directory, name), { force: true });
      total -= freed;
      warn("spool full", "checkpoints that were kept on disk had to make room", { file: name });
    }
  };

  return {
    async write(checkpoints) {
      try {
        const text = `[${checkpoints.join(",")}]`;
        await makeRoom(Buffer.byteLength(text));
        const name = `${newUlid()}${suffix}`;
        const unfinished = join(directory, `.${name}`);
        await writeFile(unfinished, text, { mode: 0o600, flush: true });
        chmodSync(unfinished, 0o600);
        await rename(unfinished, join(directory, name));
        return true;
      } catch (error) {
        warn("spool", "checkpoints could not be kept on disk", { error });
        return false;
      }
    },
    async take() {
      for (let name = fromBefore.shift(); name !== undefined; name = fromBefore.shift()) {
        const file = join(directory, name);
        try {
          const checkpoints = readTexts(await readFile(file, "utf8"));
          return { checkpoints, remove: () => rm(file, { force: true }).catch(() => {}) };
        } catch (error) {
          warn(`spool ${name}`, "a file of kept checkpoints cannot be read and is put aside", { file: name, error });
          await rename(file, `${file}.bad`).catch(() => {});
        }
      }
      return undefined;
    },
  };
}

/** Oldest first. */
function spoolFiles(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith(suffix) && !name.startsWith("."))
    .sort();
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
