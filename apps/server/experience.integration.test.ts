import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ulid } from "@signalbox/kernel";
import { installSignalbox, type SignalboxInstallation, type SignalboxServer } from "@signalbox/testing/servers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runProgram, temporaryDirectory } from "./testing.js";

let directory: ReturnType<typeof temporaryDirectory>;
let definitions: string;
let installation: SignalboxInstallation;
let server: SignalboxServer | undefined;

beforeEach(async () => {
  directory = temporaryDirectory();
  definitions = join(directory.path, "definitions");
  mkdirSync(definitions);
  writeFileSync(
    join(definitions, "checkout.yml"),
    "description: A customer pays\nfeature_category: billing\nurgency: custom\napdex_threshold_s: 0.1\ntimeout_s: 1\n",
  );
  installation = await install();
});
afterEach(async () => {
  await server?.stop();
  server = undefined;
  directory.remove();
});

const install = (env: NodeJS.ProcessEnv = {}) =>
  installSignalbox({
    dataDirectory: join(directory.path, "data"),
    flags: ["--quiet"],
    env: { SIGNALBOX_EXPERIENCE_DEFINITIONS: definitions, SIGNALBOX_EXPERIENCE_LATE_START_GRACE_S: "0", ...env },
  });

const command = (...args: string[]) => runProgram(args, installation.env);

async function newToken(): Promise<string> {
  const { out } = await command("token", "create", "--scope", "experience:write,experience:admin", "--json");
  return JSON.parse(out).token;
}

const checkpoint = (fields: object): string =>
  JSON.stringify({
    covered_experience_id: "checkout",
    checkpoint: "start",
    type: "web",
    feature_category: "billing",
    urgency: "custom",
    client_timestamp: new Date().toISOString(),
    ...fields,
  });

describe("the tracker in the server", () => {
  test("PF-010 XP-371 XP-431 after kill -9 every journey that was answered is there and fails once", async () => {
    const token = await newToken();
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    server = await installation.start();
    const url = `${server.url}/api/v1/experience`;
    const ids = Array.from({ length: 40 }, () => ulid());
    const sent = ids.map(async (correlation_id) => {
      const answer = await fetch(`${url}/checkpoints`, {
        method: "POST",
        headers,
        body: checkpoint({ correlation_id }),
      });
      await answer.text();
      return answer.status === 201 ? correlation_id : undefined;
    });
    const answered = (await Promise.all(sent)).filter((id) => id !== undefined);
    expect(answered).toHaveLength(40);
    server.kill("SIGKILL");
    await server.ended;
    server = await installation.start();
    const again = `${server.url}/api/v1/experience`;
    const listed = async (): Promise<{ correlation_id: string; state: string }[]> => {
      const body: unknown = await (await fetch(`${again}/runs?state=finished&limit=500`, { headers })).json();
      return (body as { runs?: { correlation_id: string; state: string }[] }).runs ?? [];
    };
    await expect.poll(async () => (await listed()).length, { timeout: 60_000 }).toBe(40);
    expect((await listed()).map(({ correlation_id }) => correlation_id).sort()).toEqual([...ids].sort());
    const metrics = await (await fetch(`${server.metricsUrl}/metrics`)).text();
    expect(metrics).toContain(
      'gitlab_covered_experience_total{covered_experience_id="checkout",feature_category="billing",urgency="custom",type="web",error="true"} 40',
    );
  });
});

describe("a stop", () => {
  test("XP-436 XP-835 under load new checkpoints are told to come again, and none that was answered is lost", async () => {
    const token = await newToken();
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    server = await installation.start();
    const url = `${server.url}/api/v1/experience/checkpoints`;
    const answered: string[] = [];
    const refused = new Set<string>();
    const produce = async (): Promise<void> => {
      for (;;) {
        const correlation_id = ulid();
        try {
          const answer = await fetch(url, { method: "POST", headers, body: checkpoint({ correlation_id }) });
          const { code } = (await answer.json()) as { code?: string };
          if (answer.status === 201) answered.push(correlation_id);
          else refused.add(`${answer.status} ${code} ${answer.headers.has("retry-after")}`);
        } catch {
          // The listener is closed: the process is gone or going.
          return;
        }
      }
    };
    const producers = Array.from({ length: 20 }, produce);
    await expect.poll(() => answered.length, { timeout: 120_000 }).toBeGreaterThan(200);
    server.kill("SIGTERM");
    expect(await server.ended).toBe(0);
    await Promise.all(producers);
    expect([...refused]).toEqual(["503 shutting_down true"]);
    server = await installation.start();
    const runs = `${server.url}/api/v1/experience/runs/checkout`;
    for (const id of answered) {
      const found = await fetch(`${runs}/${id}`, { headers });
      expect(found.status).toBe(200);
      await found.body?.cancel();
    }
  });
});

describe("the command line", () => {
  test("lists the definitions with their numbers", async () => {
    const { out, exitCode } = await command("experience", "definitions", "--json");
    expect(exitCode).toBe(0);
    expect(JSON.parse(out)).toContainEqual({
      id: "checkout",
      state: "valid",
      version: expect.stringMatching(/^[0-9a-f]{12}$/),
      feature_category: "billing",
      urgency: "custom",
      threshold_s: 0.1,
      timeout_s: 1,
      slo: { apdex_pct: 99.95, error_pct: 0.05 },
    });
    expect((await command("experience", "definitions")).out).toMatch(/checkout +billing +custom +0\.1 s +1 s/);
  });

  test("XP-761 XP-008 checks files without a server: 0 valid, 1 invalid, 2 not understood", async () => {
    expect(await command("experience", "check")).toMatchObject({ exitCode: 0, out: "1 definitions, all valid\n" });
    writeFileSync(join(definitions, "odd.yml"), "description: x\nfeature_category: y\nurgency: sync_fast\nnewer: 1\n");
    expect(await command("experience", "check")).toMatchObject({ exitCode: 0, out: expect.stringContaining("newer") });
    const strict = await command("experience", "check", "--strict", "--json");
    expect(strict.exitCode).toBe(1);
    expect(JSON.parse(strict.out)).toMatchObject({
      valid: false,
      faults: [{ file: "odd.yml", field: "newer", severity: "error" }],
    });
    const categories = join(directory.path, "categories.yml");
    writeFileSync(categories, "- billing\n");
    const narrowed = await command("experience", "check", "--categories", categories, "--json");
    expect(JSON.parse(narrowed.out).faults.map(({ field }: { field: string }) => field)).toContain("feature_category");
    expect((await command("experience", "check", "--nonsense")).exitCode).toBe(2);
  });

  test("XP-760 XP-650 rules, objectives and dashboard are printed with the bytes that the server serves", async () => {
    const token = await newToken();
    const description = "Pays {{ x }}: a \u202e#'\"\\ \u0007 text\u00ad, 👩‍🚀";
    const definition = { description, feature_category: "billing", urgency: "sync_fast", slo: { error_pct: 1 } };
    writeFileSync(join(definitions, "refund.yml"), JSON.stringify(definition));
    writeFileSync(join(definitions, "broken.yml"), "description: x\n");
    installation = await install({ SIGNALBOX_PUBLIC_URL: "https://signalbox.example/" });
    server = await installation.start();
    const served = async (file: string): Promise<string> => {
      const headers = { authorization: `Bearer ${token}` };
      return (await fetch(`${server?.url}/api/v1/experience/rules/${file}`, { headers })).text();
    };
    const file = join(directory.path, "written");
    for (const [name, ...line] of [
      ["prometheus.yml", "rules"],
      ["prometheus.yml?experience=refund", "rules", "--experience", "refund"],
      ["openslo.yml", "rules", "--format", "openslo"],
      ["grafana.json", "dashboard"],
    ] as const) {
      const expected = await served(name);
      expect(expected).toContain("signalbox");
      const printed = await command("experience", ...line);
      expect([printed.exitCode, printed.out]).toEqual([0, expected]);
      expect(printed.err).toContain("broken.yml is left out, it is invalid: feature_category is required");
      expect(await command("experience", ...line, "--out", file)).toMatchObject({ exitCode: 0, out: "" });
      expect(readFileSync(file, "utf8")).toBe(expected);
    }
    expect(readdirSync(directory.path).filter((name) => name.includes(".tmp"))).toEqual([]);
    const nowhere = join(directory.path, "none", "rules.yml");
    expect(await command("experience", "rules", "--out", nowhere)).toMatchObject({
      exitCode: 1,
      err: expect.stringContaining(`${nowhere} cannot be written`),
    });
    expect((await command("experience", "rules", "--format", "grafana")).exitCode).toBe(2);
    expect(await command("experience", "rules", "--experience", "broken")).toMatchObject({
      exitCode: 1,
      err: expect.stringContaining("There is no valid definition of broken."),
    });
    expect((await command("experience", "rules", "--experience", "refund", "--format", "openslo")).exitCode).toBe(2);
  });

  test("XP-660 the rules are compared with a file: 0 when nothing differs, 1 with what does", async () => {
    const file = join(directory.path, "rules.yml");
    for (const format of ["prometheus", "openslo"]) {
      const compare = () => command("experience", "rules", "--format", format, "--diff", file);
      await command("experience", "rules", "--format", format, "--out", file);
      expect(await compare()).toMatchObject({ exitCode: 0, out: "" });
      writeFileSync(file, `# loaded on Monday\n${readFileSync(file, "utf8")}`);
      expect(await compare()).toMatchObject({ exitCode: 0, out: "" });
      const before = readFileSync(join(definitions, "checkout.yml"), "utf8");
      writeFileSync(join(definitions, "checkout.yml"), `${before}slo: { error_pct: 1 }\n`);
      const changed = await compare();
      expect([changed.exitCode, changed.out]).toEqual([
        1,
        format === "prometheus"
          ? expect.stringContaining(
              "~ CoveredExperienceErrorBudgetBurnPage of checkout\n    expr: 0.00672 → 0.1344\n    expr: 0.0028 → 0.056\n",
            )
          : expect.stringContaining("~ SLO checkout-errors\n    spec.objectives.0.target: 0.9995 → 0.99\n"),
      ]);
      const asJson = await command("experience", "rules", "--format", format, "--diff", file, "--json");
      expect(asJson.exitCode).toBe(1);
      expect(JSON.parse(asJson.out)).toContainEqual(
        format === "prometheus"
          ? {
              kind: "changed",
              what: "CoveredExperienceErrorBudgetBurnPage of checkout",
              details: expect.arrayContaining(["expr: 0.00672 → 0.1344", "expr: 0.0028 → 0.056"]),
            }
          : {
              kind: "changed",
              what: "SLO checkout-errors",
              details: expect.arrayContaining(["spec.objectives.0.target: 0.9995 → 0.99"]),
            },
      );
      writeFileSync(join(definitions, "checkout.yml"), before);
    }
    expect((await command("experience", "rules", "--json")).exitCode).toBe(2);
    expect(await command("experience", "rules", "--diff", join(directory.path, "none.yml"))).toMatchObject({
      exitCode: 1,
      err: expect.stringContaining("none.yml cannot be compared"),
    });
    expect((await command("experience", "rules", "--diff", file, "--out", file)).exitCode).toBe(2);
  });

  test("XP-763 sends checkpoints by hand, lists runs, shows one, closes what is overdue, and reports", async () => {
    expect(await command("experience", "runs")).toMatchObject({
      exitCode: 1,
      err: expect.stringContaining("No server with these routes runs"),
    });
    const definition = "description: x\nfeature_category: billing\nurgency: custom\napdex_threshold_s: 0.1\n";
    writeFileSync(join(definitions, "checkout.yml"), `${definition}timeout_s: 3600\n`);
    writeFileSync(join(definitions, "refund.yml"), `${definition}timeout_s: 1\n`);
    installation = await install({ SIGNALBOX_EXPERIENCE_REAPER: "off" });
    server = await installation.start();
    const start = async (experience: string): Promise<string> => {
      const sent = await command("experience", "send", experience, "--checkpoint", "start", "--json");
      expect(sent.exitCode).toBe(0);
      return JSON.parse(sent.out).correlation_id;
    };

    const open = await start("checkout");
    expect((await command("experience", "runs", "--state", "stale", "--experience", "checkout")).out).toContain(open);
    const step = ["--checkpoint", "intermediate", "--category", "payment", "--type", "api", "--correlation", open];
    expect((await command("experience", "send", "checkout", ...step)).out).toBe(`${open} is open\n`);
    expect((await command("experience", "show", "checkout", open)).out).toMatch(/last seen at payment in api/);

    const id = await start("refund");
    const tick = async () => JSON.parse((await command("experience", "tick", "--json")).out).expired;
    await expect.poll(tick, { timeout: 60_000 }).toBe(1);
    const shown = await command("experience", "show", "refund", id);
    expect(shown.out).toMatch(/timed out \(timeout\) after 1 s; satisfies within 100 ms, fails after 1 s/);
    const ended = await command("experience", "send", "refund", "--checkpoint", "end", "--correlation", id);
    expect(ended.out).toBe(`${id} is timed out (late_end)\n`);
    const listed = await command("experience", "runs", "--state", "timed_out", "--json");
    expect(JSON.parse(listed.out)).toMatchObject([{ correlation_id: id, late_end: { outcome: "success" } }]);
    expect(await command("experience", "show", "checkout", "nothing")).toMatchObject({
      exitCode: 1,
      err: expect.stringContaining("There is no run 1 of checkout"),
    });

    const reported = async () => JSON.parse((await command("experience", "report", "--window", "7d", "--json")).out)[0];
    const row = { operations: 1, errors: 1, timeouts: 1, apdex_ratio: null, error_ratio: 1, availability: 0 };
    await expect.poll(reported, { timeout: 60_000 }).toMatchObject({ covered_experience_id: "refund", ...row });
    const byCategory = await command("experience", "report", "--by", "category");
    expect(byCategory.out).toMatch(/CATEGORY .*\nbilling +1 +1 +1 +100 % +0 % +-199900 % +40320/);
    const byProducer = await command("experience", "report", "--by", "producer", "--json");
    expect(JSON.parse(byProducer.out)).toMatchObject([{ checkpoints: 4, starts: 2, ends: 1, counted: true }]);
    expect((await command("experience", "send", "unheard_of", "--checkpoint", "end")).err).toContain("no definition");
    expect((await command("experience", "send", "checkout", "--checkpoint", "middle")).exitCode).toBe(2);
    // Each command is a program of its own; on a busy machine its start takes ten seconds.
  }, 400_000);
});
