import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { readServerConfig } from "./config.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const read = (path: string): string => readFileSync(join(root, "deploy", path), "utf8");
const dockerfile = read("Dockerfile");
const compose = read("compose.yaml");
const templates = readdirSync(join(root, "deploy/helm/signalbox/templates"));
const chart = templates.map((name) => read(`helm/signalbox/templates/${name}`)).join("\n");

/** Variables of the server that a file sets, with what stands for secrets filled in. */
function variablesOf(text: string): Record<string, string> {
  const set = text.matchAll(/(SIGNALBOX_[A-Z_]+)(?:=|: |\n\s+value: )(\S+)/g);
  return Object.fromEntries(
    [...set].map(([, name = "", value = ""]) => [
      name,
      value.replace(/\$\{\w+:-([^}]+)\}/g, "$1").replace(/\$\{\w+(?::\?[^}]*)?\}?/g, "secret"),
    ]),
  );
}

/** What the image sets: the server's own variables, and the port as platforms name it. */
function imageVariables(): Record<string, string> {
  const port = /^ +PORT=(\d+)/m.exec(dockerfile)?.[1];
  return { ...variablesOf(dockerfile), ...(port ? { PORT: port } : {}) };
}

describe("deploy", () => {
  test("PF-080 the image's and the composition's settings are ones that the server accepts", () => {
    const image = imageVariables();
    const composed = { ...image, ...variablesOf(compose.replace(":?set a password}", "}")) };
    expect(Object.keys(image).sort()).toEqual([
      "PORT",
      "SIGNALBOX_DATA_DIR",
      "SIGNALBOX_METRICS_LISTEN",
      "SIGNALBOX_RELAY_LISTEN",
    ]);
    expect(readServerConfig({ env: image, flags: {} }).values).toMatchObject({
      dataDir: "/var/lib/signalbox",
      listen: { host: "0.0.0.0", port: 8787 },
    });
    const { values } = readServerConfig({ env: composed, flags: {} });
    expect(values).toMatchObject({ transport: "jetstream", experience: { store: "redis" } });
    // A relay without a domain would ask announcements to name the address that it listens on inside the container.
    expect(values.relay.domain).toBeDefined();
    for (const url of [values.databaseUrl, values.natsUrl, values.redisUrl, values.clickhouseUrl])
      expect(url).toBeDefined();
  });

  test("XP-435 a platform chooses the image's port by PORT, SIGNALBOX_LISTEN stands above it, and one instance always runs", () => {
    const image = imageVariables();
    const listenOf = (env: Record<string, string>) => readServerConfig({ env, flags: {} }).values.listen;
    expect(listenOf({ ...image, PORT: "9000" })).toEqual({ host: "0.0.0.0", port: 9000 });
    expect(listenOf({ ...image, PORT: "9000", SIGNALBOX_LISTEN: "127.0.0.1:9001" })).toEqual({
      host: "127.0.0.1",
      port: 9001,
    });
    expect(() => listenOf({ PORT: "http" })).toThrow("PORT");
    expect(Number(/^ {2}replicas: (\d+)$/m.exec(chart)?.[1])).toBeGreaterThanOrEqual(1);
  });

  test("PF-080 what the image copies and starts is there, runs as nobody special and writes to one place", () => {
    expect(dockerfile).toContain('ENTRYPOINT ["node", "apps/server/dist/main.js"]');
    expect(existsSync(join(root, "apps/server/main.ts"))).toBe(true);
    expect(dockerfile).toMatch(/^USER node$/m);
    expect(dockerfile).toContain("/-/readiness");
    expect(compose).toContain("read_only: true");
    expect(chart).toContain("readOnlyRootFilesystem: true");
    expect(chart).toContain("runAsNonRoot: true");
    // A release called signalbox would be given variables of its service that the server takes for settings.
    expect(chart).toContain("enableServiceLinks: false");
    // A command in the pod reads what the server reads.
    expect(chart).toContain("- name: SIGNALBOX_CONFIG\n              value: /etc/signalbox/signalbox.yaml");
    for (const path of ["deploy/systemd/signalbox.service", "docs/sizing.md", "docs/how-to/deploy.md"])
      expect(existsSync(join(root, path)), path).toBe(true);
  });

  test("PF-080 image, composition and chart agree about the ports and give the server time to stop", () => {
    const exposed = /^EXPOSE (.+)$/m.exec(dockerfile)?.[1]?.split(" ") ?? [];
    expect(exposed).toEqual(["8787", "7334", "9464"]);
    for (const port of exposed) {
      expect(compose).toContain(`${port}:${port}"`);
      expect(chart).toContain(`containerPort: ${port}`);
    }
    const { shutdown } = readServerConfig({ env: {}, flags: {} }).values;
    expect(Number(/stop_grace_period: (\d+)s/.exec(compose)?.[1]) * 1000).toBeGreaterThan(shutdown.deadlineMs);
    expect(Number(/terminationGracePeriodSeconds: (\d+)/.exec(chart)?.[1]) * 1000).toBeGreaterThan(shutdown.deadlineMs);
  });

  test("PF-080 helm finds nothing to object to, with the values as they are and with everything on", async ({
    skip,
  }) => {
    const run = promisify(execFile);
    const helm = (...args: string[]) => run("helm", args, { cwd: join(root, "deploy/helm") });
    await helm("version").catch(() => skip("helm is missing"));
    const everything = [
      ...["--set", "ingress.enabled=true,serviceMonitor.enabled=true,environmentSecret=stores"],
      ...["--set", "config.log.level=debug", "--set-string", "experiences.a\\.yml=x"],
    ];
    for (const values of [[], everything]) {
      expect((await helm("lint", "--strict", "signalbox", ...values)).stdout).toContain("0 chart(s) failed");
      expect((await helm("template", "box", "signalbox", "--kube-version", "1.30.0", ...values)).stdout).toContain(
        "kind: StatefulSet",
      );
    }
  });
});
