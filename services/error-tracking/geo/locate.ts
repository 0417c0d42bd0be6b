import { readFileSync } from "node:fs";
import { DigestError } from "../digest/digest-errors.js";
import type { ErrorEvent } from "../digest/error-event.js";
import { type Mmdb, type MmdbMap, type MmdbValue, openMmdb } from "./mmdb.js";

/** Where an address is, as far as the database knows. */
export interface Place {
  /** Two capital letters. */
  readonly country_code?: string | undefined;
  readonly region?: string | undefined;
  readonly city?: string | undefined;
}

/** Each thread reads a file once; a new version of it is read by the next start. */
const opened = new Map<string, Mmdb>();

/**
 * Opens the database in a file, which `locateUser` then uses.
 * @throws {DigestError} `ET_GEO_UNREADABLE`
 */
export function openGeo(file: string): Mmdb {
  const known = opened.get(file);
  if (known !== undefined) return known;
  try {
    const database = openMmdb(readFileSync(file));
    opened.set(file, database);
    return database;
  } catch (cause) {
    throw new DigestError("ET_GEO_UNREADABLE", { cause });
  }
}

/** Adds to the user of an event where the address is, unless the client said it. Comes before the address is scrubbed. */
export function locateUser({ user }: ErrorEvent, file: string): void {
  if (user?.ip_address === undefined || user["geo"] !== undefined) return;
  const place = placeOf(openGeo(file), user.ip_address);
  if (place !== undefined) user["geo"] = place;
}

/** Undefined when nothing is known. A database that is broken there knows nothing. */
export function placeOf(database: Mmdb, address: string): Place | undefined {
  let found: MmdbMap | undefined;
  try {
    found = database.find(address);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  if (found === undefined) return undefined;
  const code = at(found, "country", "iso_code") ?? at(found, "registered_country", "iso_code");
  const place: Place = {
    country_code: text(code),
    region: text(at(found, "subdivisions", 0, "names", "en")),
    city: text(at(found, "city", "names", "en")),
  };
  return Object.values(place).some((value) => value !== undefined) ? place : undefined;
}

function at(value: MmdbValue, ...path: readonly (string | number)[]): MmdbValue {
  let inner = value;
  for (const step of path) {
    if (typeof inner !== "object") return undefined;
    inner = Array.isArray(inner) ? inner[Number(step)] : Object.entries(inner).find(([key]) => key === step)?.[1];
  }
  return inner;
}

function text(value: MmdbValue): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
