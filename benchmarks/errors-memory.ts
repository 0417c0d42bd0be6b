import { brotliCompressSync, constants, createDeflate, createGzip, gzipSync } from "node:zlib";
import type { SignalboxServer } from "@signalbox/testing/servers";
import { type Benchmark, scaled } from "./harness.js";
import { mixedBodies } from "./load/error-mix.js";
import { createSender, drained, residentMiB, takenOf, withInstallation } from "./load/errors-server.js";

const steadyPerSecond = 1_000;
const steadyEvents = scaled(15_000);
const atOnce = 50;
const mebibyte = 1024 * 1024;
/** What a bomb unpacks to. */
const bombBytes = 1024 * mebibyte;

/** Memory of the edge and of the worker by themselves, and of a whole server under attack. */
export const errorsMemory: Benchmark = {
  name: "errors-memory",
  proves: ["ET-907"],
  async run(report) {
    await withInstallation({}, async (_, install) => {
      const edge = await install(["--only", "ingest"]);
      const ingest = await edge.start();
      const send = await createSender(edge, ingest);
      const taken = takenOf(await send(mixedBodies(0, steadyEvents), steadyPerSecond));
      report({
        workload: `role ingest alone, ${steadyEvents} events of the mix at ${steadyPerSecond}/s: most resident memory`,
        measured: { value: (await residentMiB(ingest.pid)).most, unit: "MiB" },
        target: 256,
      });
      await ingest.stop();

      const worker = await (await install(["--only", "worker"])).start();
      await drained(worker, taken);
      report({
        workload: `role worker alone with chDB, ${steadyEvents} waiting events stored: most resident memory`,
        measured: { value: (await residentMiB(worker.pid)).most, unit: "MiB" },
        target: 700,
      });
      await worker.stop();
    });

    await withInstallation({}, async (_, install) => {
      const installation = await install();
      const server = await installation.start();
      const send = await createSender(installation, server);
      await drained(server, takenOf(await send(mixedBodies(0, 100))));
      const idleMiB = (await residentMiB(server.pid)).now;
      const post = await createPoster(installation, server);
      for (const [name, { body, encoding }] of Object.entries(await makeBombs())) {
        const { most, statuses } = await mostDuring(server.pid, () =>
          Promise.all(Array.from({ length: atOnce }, () => post(body, encoding))),
        );
        report({
          workload: `${atOnce} at once: ${name}: resident memory above idle`,
          measured: { value: most - idleMiB, unit: "MiB" },
          target: 512,
          notes: { idle_MiB: Math.round(idleMiB), body_bytes: body.length, ...statuses },
        });
      }
      await server.stop();
    });
  },
};

interface Bomb {
  readonly body: Uint8Array;
  readonly encoding: string;
}

async function makeBombs(): Promise<Readonly<Record<string, Bomb>>> {
  const opening = Buffer.from(`{}\n{"type":"event","length":${bombBytes}}\n`);
  const eventOf = (event: string): Bomb => ({ body: gzipSync(`{}\n{"type":"event"}\n${event}\n`), encoding: "gzip" });
  const many = (count: number, item: (index: number) => string): string =>
    Array.from({ length: count }, (_, index) => item(index)).join();
  return {
    "1 GiB in gzip": { body: await compressed(createGzip(), opening), encoding: "gzip" },
    "1 GiB in deflate": { body: await compressed(createDeflate(), opening), encoding: "deflate" },
    "1 GiB in br": {
      body: brotliCompressSync(Buffer.concat([opening, Buffer.alloc(bombBytes, " ")]), {
        params: { [constants.BROTLI_PARAM_QUALITY]: 3 },
      }),
      encoding: "br",
    },
    "1 GiB in zstd": { body: zstdBomb(opening), encoding: "zstd" },
    "64 MiB of JSON in one line": eventOf(`{"message":"${"x".repeat(64 * mebibyte)}"}`),
    "100,000 tags": eventOf(`{"tags":{${many(100_000, (index) => `"k${index}":""`)}}}`),
    "10,000 frames": eventOf(
      `{"exception":{"values":[{"type":"E","stacktrace":{"frames":[${many(10_000, (index) => `{"function":"f${index}","lineno":1}`)}]}}]}}`,
    ),
    "10,000 levels": eventOf(`{"extra":${'{"a":'.repeat(10_000)}1${"}".repeat(10_001)}`),
  };
}

/** One byte many times, without a compressor: blocks of Zstandard that say so. */
function zstdBomb(opening: Buffer): Buffer {
  const maxBlockBytes = 128 * 1024;
  const blockHeader = (last: boolean, repeated: boolean, bytes: number): Buffer => {
    const header = Buffer.alloc(3);
    header.writeUIntLE((last ? 1 : 0) | ((repeated ? 1 : 0) << 1) | (bytes << 3), 0, 3);
    return header;
  };
  const blocks = [
    Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x50]),
    blockHeader(false, false, opening.length),
    opening,
  ];
  const count = bombBytes / maxBlockBytes;
  for (let index = 1; index <= count; index++)
    blocks.push(blockHeader(index === count, true, maxBlockBytes), Buffer.from(" "));
  return Buffer.concat(blocks);
}

async function compressed(stream: ReturnType<typeof createGzip> | ReturnType<typeof createDeflate>, opening: Buffer) {
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.write(opening);
  const spaces = Buffer.alloc(16 * mebibyte, " ");
  for (let bytes = 0; bytes < bombBytes; bytes += spaces.length)
    await new Promise<void>((resolve) => stream.write(spaces, () => resolve()));
  await new Promise<void>((resolve) => stream.end(resolve));
  return Buffer.concat(chunks);
}

async function createPoster(
  installation: Parameters<typeof createSender>[0],
  { url }: SignalboxServer,
): Promise<(body: Uint8Array, encoding: string) => Promise<number>> {
  const [project] = (await installation.command("project", "list")) as { id: number; dsn: string }[];
  const target = `${url}/api/${project?.id}/envelope/?sentry_key=${new URL(project?.dsn ?? "").username}`;
  return async (body, encoding) => {
    const answer = await fetch(target, { method: "POST", body, headers: { "Content-Encoding": encoding } });
    await answer.arrayBuffer();
    return answer.status;
  };
}

async function mostDuring(pid: number, attack: () => Promise<readonly number[]>) {
  let most = 0;
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      most = Math.max(most, (await residentMiB(pid)).now);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  const answers = await attack();
  isOver = true;
  await watching;
  const statuses: Record<string, number> = {};
  for (const status of answers) statuses[`status_${status}`] = (statuses[`status_${status}`] ?? 0) + 1;
  return { most, statuses };
}
