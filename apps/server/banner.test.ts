import { expect, test } from "vitest";
import { type BannerFacts, bannerLines } from "./banner.js";

const facts: BannerFacts = {
  version: "0.1.0",
  startedInMs: 1_234,
  url: "https://box.example.test",
  metricsUrl: "http://127.0.0.1:9464",
  announcements: [{ label: "DSN of default", value: "https://0123456789abcdef@box.example.test/1" }],
  dataDirectory: "/srv/box",
  isUsualDirectory: true,
  adapters: [
    { port: "database", name: "PostgreSQL", embedded: false },
    { port: "analytics", name: "chDB", embedded: true },
    { port: "blobs", name: "files", embedded: true },
  ],
  roles: ["ingest", "worker"],
};

test("PF-003 says in at most 20 lines where things are and what they run on", () => {
  const lines = bannerLines(facts);
  expect(lines.length).toBeLessThanOrEqual(20);
  expect(lines.join("\n")).toContain("Ingest and API  https://box.example.test\n");
  expect(lines.join("\n")).toContain("DSN of default  https://0123456789abcdef@box.example.test/1\n");
  expect(lines.join("\n")).toContain("Data directory  /srv/box\n");
  expect(lines.join("\n")).toContain("Embedded        chDB (analytics), files (blobs)\n");
  expect(lines.join("\n")).toContain("Real servers    PostgreSQL (database)\n");
  expect(lines.join("\n")).toContain("Token to log in npx signalbox token create --scope admin --ttl 1d\n");
});

test("commands are told a data directory that they would not find", () => {
  const text = bannerLines({ ...facts, isUsualDirectory: false }).join("\n");
  expect(text).toContain("token create --scope admin --ttl 1d --data-dir /srv/box\n");
  expect(text).toContain("project create NAME --data-dir /srv/box\n");
});

test("leaves out what a role does not have", () => {
  const text = bannerLines({ ...facts, url: undefined, announcements: [], adapters: [] }).join("\n");
  expect(text).not.toContain("Ingest and API");
  expect(text).not.toContain("DSN");
  expect(text).toContain("Embedded        none\n");
});
