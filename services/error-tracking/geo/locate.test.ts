import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isJsonObject, type JsonObject } from "@signalbox/sentry-protocol";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type PrepareOptions, prepareEvent } from "../digest/prepare-event.js";
import { defaultProjectSettings, prepareOptionsOf } from "../projects/project-settings.js";
import { ip4Bits, makeMmdb } from "../testing/mmdb-file.js";
import { storedEvent } from "../testing/prepare.js";
import { receivedEvent } from "../testing/received-event.js";
import { openGeo } from "./locate.js";

let directory = "";
let geoFile = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "error-geo-"));
  geoFile = join(directory, "places.mmdb");
  const place = { country: { iso_code: "DE" }, city: { names: { en: "Berlin" } } };
  writeFileSync(geoFile, makeMmdb([[ip4Bits("203.0.113.0", 24), place]]));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const userOf = (user: JsonObject, more: Partial<PrepareOptions> = {}): JsonObject => {
  const defaults = { retentionDays: 90, groupingVersion: 1, geoFile };
  const options = { ...prepareOptionsOf(defaultProjectSettings, defaults), ...more };
  const { user: stored } = storedEvent(prepareEvent(receivedEvent({ message: "m", user }), options));
  if (!isJsonObject(stored)) throw new TypeError("A user is an object.");
  return stored;
};

const berlin = { country_code: "DE", city: "Berlin" };

test("ET-141 users are located by their address before it is scrubbed", () => {
  expect(userOf({ ip_address: "203.0.113.9" })).toEqual({ ip_address: "203.0.113.9", geo: berlin });
  const scrubbing = { ...defaultProjectSettings.scrubbing, addresses: true };
  expect(userOf({ id: "1", ip_address: "203.0.113.9" }, { scrubbing })).toEqual({ id: "1", geo: berlin });
});

test("ET-141 what the client says of the place stays, and nothing is made up", () => {
  const geo = { country_code: "FR" };
  expect(userOf({ ip_address: "203.0.113.9", geo })["geo"]).toEqual(geo);
  expect(userOf({ ip_address: "198.51.100.1" })["geo"]).toBeUndefined();
  expect(userOf({ id: "1" })["geo"]).toBeUndefined();
  expect(userOf({ ip_address: "203.0.113.9" }, { geoFile: undefined })["geo"]).toBeUndefined();
});

test("ET-141 a file that is missing or no database is refused", () => {
  const other = join(directory, "other.mmdb");
  writeFileSync(other, "no database");
  for (const file of [other, join(directory, "none.mmdb")])
    expect(() => openGeo(file)).toThrow(expect.objectContaining({ code: "ET_GEO_UNREADABLE" }));
});
