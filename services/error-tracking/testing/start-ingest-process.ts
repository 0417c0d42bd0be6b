import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { IngestLimits } from "../edge/ingest-limits.js";

export interface IngestProcess {
  readonly envelopeUrl: string;
  readonly directory: string;
  readonly child: ChildProcess;
  /** Resident memory of the process, bytes. */
  rss(): Promise<number>;
  /** Kills the process as a power cut would; its files stay until `remove`. */
  kill(): Promise<void>;
  remove(): Promise<void>;
}

export async function startIngestProcess(limits: Partial<IngestLimits> = {}): Promise<IngestProcess> {
  const directory = await mkdtemp(join(tmpdir(), "ingest-process-"));
  // The built one in any case: it starts in a third of the time without a loader.
  const fromSource = import.meta.url.endsWith(".ts");
  const program = new URL(fromSource ? "../dist/testing/ingest-process.js" : "./ingest-process.js", import.meta.url);
  const child = fork(program, [directory, JSON.stringify(limits)], { execArgv: [] });
  const died = once(child, "exit").then(() => Promise.reject(new Error("The process could not start.")));
  const [{ envelopeUrl }] = await Promise.race([once(child, "message"), died]);
  died.catch(() => {});
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  };
  return {
    envelopeUrl,
    directory,
    child,
    async rss() {
      child.send("rss");
      const [{ rss }] = await once(child, "message");
      return rss;
    },
    kill,
    async remove() {
      await kill();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
