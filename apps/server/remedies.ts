import { analyticsErrors } from "@signalbox/analytics";
import { blobErrors } from "@signalbox/blobs";
import { databaseErrors } from "@signalbox/database";
import { eventStoreErrors } from "@signalbox/event-store";
import { relayErrors } from "@signalbox/git-relay";
import { httpErrors, httpSetupErrors } from "@signalbox/http";
import { type ErrorCatalogue, errorCode, kernelErrors } from "@signalbox/kernel";
import { serverErrors } from "./errors.js";

const catalogues: readonly ErrorCatalogue[] = [
  kernelErrors,
  databaseErrors,
  analyticsErrors,
  blobErrors,
  eventStoreErrors,
  httpErrors,
  httpSetupErrors,
  relayErrors,
  serverErrors,
];

/** What an operator can do about an error, as its catalogue says. */
export function remedyFor(error: unknown): string | undefined {
  const code = errorCode(error);
  if (code === undefined) return undefined;
  for (const { entries } of catalogues) {
    const entry = Object.hasOwn(entries, code) ? entries[code] : undefined;
    if (entry?.remedy !== undefined) return entry.remedy;
  }
  return undefined;
}
