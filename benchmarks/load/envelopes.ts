import { randomUUID } from "node:crypto";
import { gzipSync } from "node:zlib";

export interface EnvelopeOptions {
  /** Number of distinct errors among the envelopes. */
  readonly groups: number;
  /** Size of the uncompressed envelope, reached by adding breadcrumbs; at least about 3,000. */
  readonly bytes: number;
}

/** An envelope as `@sentry/node` sends it: one event with a stack trace, contexts and breadcrumbs. */
export function errorEnvelope(index: number, options: EnvelopeOptions): Buffer {
  const eventId = randomUUID().replaceAll("-", "");
  const group = index % options.groups;
  const frames = Array.from({ length: 12 }, (_, depth) => ({
    filename:
      depth < 6 ? `/srv/forge/node_modules/fastify/lib/layer-${depth}.js` : `/srv/forge/modules/ci/step-${depth}.js`,
    module: depth < 6 ? `fastify.lib:layer-${depth}` : `ci:step-${depth}`,
    function: depth === 11 ? `runPipeline${group}` : `step${depth}`,
    lineno: 10 + depth,
    colno: 7,
    in_app: depth >= 6,
    pre_context: ["async function run(job) {", "  const plan = await load(job);"],
    context_line: `  return execute(plan, ${depth});`,
    post_context: ["}", ""],
  }));
  const event = {
    event_id: eventId,
    timestamp: Date.now() / 1000,
    platform: "node",
    level: "error",
    environment: "production",
    release: "forge@1.4.2",
    server_name: "web-1",
    transaction: "POST /pipelines",
    sdk: { name: "sentry.javascript.node", version: "10.0.0" },
    contexts: {
      trace: { trace_id: randomUUID().replaceAll("-", ""), span_id: randomUUID().replaceAll("-", "").slice(0, 16) },
      runtime: { name: "node", version: "v20.20.0" },
      os: { name: "Debian", version: "12" },
    },
    tags: { module: "ci", queue: "pipelines" },
    user: { id: String(index % 500) },
    exception: {
      values: [
        {
          type: `PipelineError${group}`,
          value: `job ${index} failed in stage ${group}`,
          stacktrace: { frames },
          mechanism: { type: "generic", handled: false },
        },
      ],
    },
    breadcrumbs: [] as { timestamp: number; category: string; message: string }[],
  };
  const bareBytes = JSON.stringify(event).length;
  for (let size = bareBytes, count = 0; size < options.bytes - 300; size += 150, count++) {
    event.breadcrumbs.push({
      timestamp: event.timestamp - count,
      category: "http",
      message: `GET /api/v4/projects/${(index * 31 + count * 17) % 9973}/pipelines?page=${count} 200 ${randomUUID()}`,
    });
  }
  const payload = JSON.stringify(event);
  const header = JSON.stringify({ event_id: eventId, sent_at: new Date().toISOString() });
  const item = JSON.stringify({ type: "event", length: Buffer.byteLength(payload), content_type: "application/json" });
  return Buffer.from(`${header}\n${item}\n${payload}\n`);
}

export function gzippedEnvelopes(count: number, options: EnvelopeOptions): Buffer[] {
  return Array.from({ length: count }, (_, index) => gzipSync(errorEnvelope(index, options)));
}
