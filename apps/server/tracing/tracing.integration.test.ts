import { createServer, type Server } from "node:http";
import { installSignalbox } from "@signalbox/testing/servers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { firstDsn, getJson, newToken, sendError, temporaryDirectory } from "../testing.js";

interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly links: readonly { readonly spanId: string }[];
  readonly attributes: readonly { readonly key: string; readonly value: object }[];
}

let collector: Server;
let collectorUrl: string;
const spans: Span[] = [];
const services = new Set<string>();
const directory = temporaryDirectory();

beforeAll(async () => {
  collector = createServer((request, response) => {
    let text = "";
    request.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
    request.on("end", () => {
      for (const { resource, scopeSpans } of JSON.parse(text).resourceSpans) {
        services.add(`${request.url} ${request.headers["x-team"]} ${resource.attributes[0].value.stringValue}`);
        for (const scope of scopeSpans) spans.push(...scope.spans);
      }
      response.end("{}");
    });
  });
  await new Promise<void>((resolve) => void collector.listen(0, "127.0.0.1", resolve));
  const address = collector.address();
  collectorUrl = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
});

afterAll(() => {
  collector?.closeAllConnections();
  collector?.close();
  directory.remove();
});

const named = (pattern: RegExp): Span[] => spans.filter(({ name }) => pattern.test(name));

test("PF-052 ES-281 with an OTLP endpoint, requests, publishes, handling and calls of the stores are traced and exported", async () => {
  const installation = await installSignalbox({
    dataDirectory: directory.path,
    flags: ["--quiet"],
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: collectorUrl,
      OTEL_EXPORTER_OTLP_HEADERS: "x-team=a%20team",
      OTEL_SERVICE_NAME: "forge",
      OTEL_BSP_SCHEDULE_DELAY: "100",
    },
  });
  const server = await installation.start();
  try {
    const token = await newToken(installation);
    expect((await sendError(await firstDsn(installation), "traced")).status).toBe(200);
    const traceId = "0af7651916cd43dd8448eb211c80319c";
    const listed = await fetch(`${server.url}/api/v1/projects/1/errors`, {
      headers: { authorization: `Bearer ${token}`, traceparent: `00-${traceId}-b7ad6b7169203331-01` },
    });
    expect(listed.status).toBe(200);
    await expect.poll(() => named(/^process error_tracking\.digest/).length).toBeGreaterThan(0);
    await expect.poll(() => named(/^chdb insert/).length).toBeGreaterThan(0);
    await expect.poll(() => named(/^GET \/api\/v1\/projects\/:id\/errors$/).length).toBe(1);

    const [request] = named(/^POST .*envelope/);
    const [publish] = named(/^publish error_tracking\.event_received$/);
    const [process] = named(/^process error_tracking\.digest/);
    const [insert] = named(/^chdb insert/);
    const [read] = named(/^GET \/api\/v1\/projects\/:id\/errors$/);
    expect([request?.kind, publish?.kind, process?.kind, insert?.kind]).toEqual([2, 4, 5, 3]);
    expect(publish?.parentSpanId).toBe(request?.spanId);
    expect(process?.links.map(({ spanId }) => spanId)).toEqual([publish?.spanId]);
    expect(process?.traceId).not.toBe(publish?.traceId);
    expect(insert?.traceId).toBe(process?.traceId);
    expect(read).toMatchObject({ traceId, parentSpanId: "b7ad6b7169203331" });
    expect(read?.attributes).toContainEqual({ key: "http.response.status_code", value: { intValue: "200" } });
    expect(named(/^sqlite /).map((span) => span.traceId)).toContain(process?.traceId);
    for (const span of spans)
      expect(BigInt(span.endTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(span.startTimeUnixNano));
    expect(JSON.stringify(spans)).not.toContain("traced");
    expect([...services]).toEqual(["/v1/traces a%20team forge"].map((text) => text.replace("%20", " ")));
  } finally {
    expect(await server.stop()).toBe(0);
  }
});

test("PF-052 a collector that is away costs nothing but its traces", async () => {
  const other = temporaryDirectory();
  const installation = await installSignalbox({
    dataDirectory: other.path,
    flags: ["--quiet"],
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1", OTEL_BSP_SCHEDULE_DELAY: "50" },
  });
  const server = await installation.start();
  try {
    expect((await sendError(await firstDsn(installation), "not traced")).status).toBe(200);
    const token = await newToken(installation);
    await expect
      .poll(async () => (await getJson(`${server.url}/api/v1/projects/1/errors`, token)).body)
      .toHaveLength(1);
    await expect.poll(() => server.output()).toContain("traces could not be exported");
  } finally {
    expect(await server.stop()).toBe(0);
    other.remove();
  }
});
