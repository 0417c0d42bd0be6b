import { createVirtualClock } from "@signalbox/kernel";
import { describe, expect, test } from "vitest";
import { wantsOpenMetrics } from "./exposition.js";
import { createPrometheusMetrics } from "./prometheus.js";
import { eventually } from "./testing/eventually.js";
import { createRecordingLogger } from "./testing/recording-logger.js";
import { serve } from "./testing/serve.js";

const openMetrics = "application/openmetrics-text; version=1.0.0";

/** The sample lines of one metric. */
function linesOf(body: string, name: string): string[] {
  return body.split("\n").filter((line) => line.startsWith(name));
}

describe("PF-051 exposition", () => {
  test("PF-051 the text format has help, type and one line for each series", async () => {
    const metrics = createPrometheusMetrics();
    const jobs = metrics.counter({ name: "jobs_total", help: 'Jobs\n"done" \\', labels: ["kind"] });
    jobs.add(1, { kind: 'a"b\\c\nd' });
    jobs.add(2, { kind: "plain" });
    metrics.gauge({ name: "depth", help: "Depth." }).set(-1.5);
    const { contentType, body } = await metrics.exposition();
    expect(contentType).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(body).toContain(
      '# HELP jobs_total Jobs\\n"done" \\\\\n# TYPE jobs_total counter\njobs_total{kind="a\\"b\\\\c\\nd"} 1\njobs_total{kind="plain"} 2\n',
    );
    expect(body).toContain("# TYPE depth gauge\ndepth -1.5\n");
    expect(body.endsWith("\n")).toBe(true);
    expect(body).not.toContain("# EOF");
  });

  test("PF-051 a histogram counts each value into every bucket that holds it", async () => {
    const metrics = createPrometheusMetrics();
    const time = metrics.histogram({ name: "time_seconds", help: "Time.", buckets: [1, 0.1, 0.5], labels: ["op"] });
    for (const value of [0.05, 0.1, 0.2, 0.5, 0.7, 30]) time.observe(value, { op: "x" });
    expect(linesOf((await metrics.exposition()).body, "time_seconds")).toEqual([
      'time_seconds_bucket{op="x",le="0.1"} 2',
      'time_seconds_bucket{op="x",le="0.5"} 4',
      'time_seconds_bucket{op="x",le="1"} 5',
      'time_seconds_bucket{op="x",le="+Inf"} 6',
      'time_seconds_sum{op="x"} 31.55',
      'time_seconds_count{op="x"} 6',
    ]);
  });

  test("a gauge whose thing is gone is shown no more, until it is set again", async () => {
    const metrics = createPrometheusMetrics();
    const depth = metrics.gauge({ name: "depth", help: "Depth.", labels: ["queue"], maxSeries: 1 });
    const labels = Object.freeze({ queue: "a" });
    depth.set(1, labels);
    depth.remove({ queue: "a" });
    depth.remove({ queue: "unknown" });
    expect(linesOf((await metrics.exposition()).body, "depth")).toEqual([]);
    depth.set(2, labels);
    expect(linesOf((await metrics.exposition()).body, "depth")).toEqual(['depth{queue="a"} 2']);
    depth.remove(labels);
    depth.set(3, { queue: "b" });
    expect(linesOf((await metrics.exposition()).body, "depth")).toEqual(['depth{queue="b"} 3']);
  });

  test("PF-051 OpenMetrics carries the correlation id of an example with each counter and bucket", async () => {
    const clock = createVirtualClock(1_700_000_000_500);
    const metrics = createPrometheusMetrics({ clock });
    metrics.counter({ name: "jobs_total", help: "Jobs." }).add(1, undefined, { correlation_id: "journey-1" });
    const time = metrics.histogram({ name: "time_seconds", help: "Time.", buckets: [1, 5] });
    time.observe(0.25, undefined, { correlation_id: "journey-1" });
    time.observe(7, undefined, { correlation_id: "journey-2" });
    time.observe(2, undefined, { correlation_id: "x".repeat(200) });
    const { contentType, body } = await metrics.exposition(openMetrics);
    expect(contentType).toBe("application/openmetrics-text; version=1.0.0; charset=utf-8");
    expect(body).toContain("# TYPE jobs counter\n");
    expect(linesOf(body, "jobs_total")).toEqual(['jobs_total 1 # {correlation_id="journey-1"} 1 1700000000.5']);
    expect(linesOf(body, "time_seconds_bucket")).toEqual([
      'time_seconds_bucket{le="1.0"} 1 # {correlation_id="journey-1"} 0.25 1700000000.5',
      'time_seconds_bucket{le="5.0"} 2',
      'time_seconds_bucket{le="+Inf"} 3 # {correlation_id="journey-2"} 7 1700000000.5',
    ]);
    expect(body.endsWith("# EOF\n")).toBe(true);
    expect((await metrics.exposition()).body).not.toContain("journey");
  });

  test("PF-051 the format is what the scraper prefers", () => {
    const prometheus =
      "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
    expect(wantsOpenMetrics(prometheus)).toBe(true);
    expect(wantsOpenMetrics(openMetrics)).toBe(true);
    for (const accept of [undefined, "*/*", "text/plain", "text/html,*/*;q=0.8", `${openMetrics};q=0.1, text/plain`])
      expect(wantsOpenMetrics(accept)).toBe(false);
    expect(wantsOpenMetrics("application/openmetrics-text; version=7.0.0")).toBe(false);
    expect(wantsOpenMetrics("application/openmetrics-text;q=0")).toBe(false);
  });
});

describe("PF-051 series", () => {
  test("PF-051 that can be known are there at 0", async () => {
    const metrics = createPrometheusMetrics();
    metrics.counter({ name: "plain_total", help: "x" });
    metrics.counter({ name: "ends_total", help: "x", labels: ["end"], known: [{ end: "ok" }, { end: "failed" }] });
    metrics.histogram({ name: "wait_seconds", help: "x", buckets: [1], labels: ["q"], known: [{ q: "a" }] });
    metrics.gauge({ name: "size", help: "x", labels: ["q"], known: [{ q: "a" }] });
    const { body } = await metrics.exposition();
    for (const line of [
      "plain_total 0",
      'ends_total{end="ok"} 0',
      'ends_total{end="failed"} 0',
      'wait_seconds_bucket{q="a",le="1"} 0',
      'wait_seconds_count{q="a"} 0',
      'size{q="a"} 0',
      'signalbox_metrics_refused_series_total{metric="ends_total"} 0',
    ])
      expect(body.split("\n")).toContain(line);
  });

  test("PF-051 beyond the bound are refused and counted, those that exist go on", async () => {
    const logger = createRecordingLogger();
    const metrics = createPrometheusMetrics({ logger, maxSeries: 100 });
    const jobs = metrics.counter({ name: "jobs_total", help: "x", labels: ["id"], maxSeries: 3 });
    const time = metrics.histogram({ name: "time_seconds", help: "x", buckets: [1], labels: ["id"] });
    const size = metrics.gauge({ name: "size", help: "x", labels: ["id"], maxSeries: 3 });
    for (let id = 0; id < 1000; id++) {
      jobs.add(1, { id: String(id) });
      time.observe(1, Object.freeze({ id: String(id) }));
      size.set(1, { id: String(id) });
    }
    jobs.add(1, { id: "0" });
    const { body } = await metrics.exposition();
    expect(linesOf(body, "jobs_total")).toEqual([
      'jobs_total{id="0"} 2',
      'jobs_total{id="1"} 1',
      'jobs_total{id="2"} 1',
    ]);
    expect(linesOf(body, "size{")).toHaveLength(3);
    expect(linesOf(body, "time_seconds_count")).toHaveLength(100);
    expect(linesOf(body, "signalbox_metrics_refused")).toEqual([
      'signalbox_metrics_refused_series_total{metric="jobs_total"} 997',
      'signalbox_metrics_refused_series_total{metric="time_seconds"} 900',
      'signalbox_metrics_refused_series_total{metric="size"} 997',
    ]);
    expect(logger.lines.map((line) => line.level)).toEqual(["warn", "warn", "warn"]);
  });

  test("PF-051 labels and values that make no sense never throw", async () => {
    const metrics = createPrometheusMetrics();
    const jobs = metrics.counter({ name: "jobs_total", help: "x", labels: ["kind", "end"] });
    jobs.add(1, { kind: "a", surprise: "x" });
    jobs.add(-1, { kind: "a", end: "" });
    jobs.add(Number.NaN, { kind: "a", end: "" });
    metrics.histogram({ name: "time_seconds", help: "x", buckets: [1] }).observe(Number.NaN);
    const { body } = await metrics.exposition();
    expect(linesOf(body, "jobs_total")).toEqual(['jobs_total{kind="a",end=""} 1']);
    expect(linesOf(body, "time_seconds_count")).toEqual(["time_seconds_count 0"]);
  });

  test("PF-051 a name means one metric: the same is shared, another one is an error", async () => {
    const metrics = createPrometheusMetrics();
    metrics.counter({ name: "jobs_total", help: "x", labels: ["kind"] }).add(1, { kind: "a" });
    metrics.counter({ name: "jobs_total", help: "x", labels: ["kind"] }).add(1, { kind: "a" });
    expect(linesOf((await metrics.exposition()).body, "jobs_total")).toEqual(['jobs_total{kind="a"} 2']);
    const conflict = expect.objectContaining({ code: "HTTP_METRIC_CONFLICT" });
    expect(() => metrics.counter({ name: "jobs_total", help: "x" })).toThrow(conflict);
    expect(() => metrics.gauge({ name: "jobs_total", help: "x", labels: ["kind"] })).toThrow(conflict);
  });
});

describe("PF-051 collection at a scrape", () => {
  test("PF-051 asks every gauge, shares the asking, and goes on without one that fails", async () => {
    const logger = createRecordingLogger();
    const metrics = createPrometheusMetrics({ logger });
    let asked = 0;
    metrics.gauge({ name: "depth", help: "x", collect: async (gauge) => gauge.set(++asked) });
    metrics.gauge({
      name: "broken",
      help: "x",
      collect: () => {
        throw new Error("away");
      },
    });
    const [one, other] = await Promise.all([metrics.exposition(), metrics.exposition()]);
    expect([linesOf(one.body, "depth"), linesOf(other.body, "depth")]).toEqual([["depth 1"], ["depth 1"]]);
    expect(linesOf((await metrics.exposition()).body, "depth")).toEqual(["depth 2"]);
    expect(logger.lines).toMatchObject([{ level: "warn", fields: { metric: "broken" } }]);
  });

  test("PF-051 waits 2 s for a slow gauge and does not ask it again before it has answered", async () => {
    const clock = createVirtualClock();
    const metrics = createPrometheusMetrics({ clock });
    let asked = 0;
    let answer = () => {};
    metrics.gauge({
      name: "slow",
      help: "x",
      collect: async (gauge) => {
        asked++;
        await new Promise<void>((resolve) => {
          answer = resolve;
        });
        gauge.set(7);
      },
    });
    const scrape = async () => {
      const exposition = metrics.exposition();
      await clock.advanceBy(2000);
      return linesOf((await exposition).body, "slow");
    };
    expect(await scrape()).toEqual(["slow 0"]);
    expect(await scrape()).toEqual(["slow 0"]);
    expect(asked).toBe(1);
    answer();
    await clock.advanceBy(0);
    expect(linesOf((await Promise.all([metrics.exposition(), clock.advanceBy(2000)]))[0].body, "slow")).toEqual([
      "slow 7",
    ]);
    expect(asked).toBe(2);
  });
});

describe("PF-051 what the server counts", () => {
  test("PF-051 requests and durations by route pattern, never by path, with the correlation id as example", async () => {
    const metrics = createPrometheusMetrics();
    const { url } = await serve({ metrics }, (app) => {
      app.get("/widgets/:id", { config: { access: "public" } }, async () => ({}));
      app.get("/boom", { config: { access: "public" } }, () => {
        throw new Error("boom");
      });
    });
    expect((await metrics.exposition()).body).toContain(
      'signalbox_http_requests_total{route="/widgets/:id",method="GET",status="200"} 0\n',
    );
    for (let id = 0; id < 5; id++)
      await (await fetch(`${url}/widgets/${id}`, { headers: { "x-correlation-id": "journey-1" } })).text();
    await (await fetch(`${url}/boom`)).text();
    for (let id = 0; id < 5; id++) await (await fetch(`${url}/nowhere/${id}`)).text();
    await (await fetch(`${url}/nowhere`, { method: "PROPFIND" })).text();
    const expected = [
      'signalbox_http_requests_total{route="/widgets/:id",method="GET",status="200"} 5',
      'signalbox_http_requests_total{route="/boom",method="GET",status="500"} 1',
      'signalbox_http_requests_total{route="unmatched",method="GET",status="404"} 5',
      'signalbox_http_requests_total{route="unmatched",method="other",status="404"} 1',
      'signalbox_http_request_duration_seconds_count{route="/widgets/:id",method="GET"} 5',
    ];
    await eventually(async () => (await metrics.exposition()).body.split("\n")).toEqual(
      expect.arrayContaining(expected),
    );
    const { body } = await metrics.exposition(openMetrics);
    expect(body).toMatch(
      /signalbox_http_request_duration_seconds_bucket\{route="\/widgets\/:id",.*\} 5 # \{correlation_id="journey-1"\}/,
    );
    expect(body).not.toContain("/nowhere");
  });

  test("PF-051 clients that went away, and connections that carried no request", async () => {
    const metrics = createPrometheusMetrics();
    const { url, app } = await serve({ metrics }, (server) => {
      server.get("/slow", { config: { access: "public" } }, () => new Promise(() => {}));
    });
    const leaving = new AbortController();
    const left = fetch(`${url}/slow`, { signal: leaving.signal }).catch(() => "left");
    await eventually(() => app.shutdown.inFlight).toBe(1);
    leaving.abort();
    expect(await left).toBe("left");
    await eventually(async () => (await metrics.exposition()).body).toContain(
      'signalbox_http_requests_total{route="/slow",method="GET",status="499"} 1',
    );
    expect((await metrics.exposition()).body).toContain(
      'signalbox_http_refused_connections_total{reason="malformed_request"} 0',
    );
  });
});
