import { isJsonObject, type JsonObject, type JsonValue } from "@signalbox/sentry-protocol";
import { cspTitle, readCspViolation } from "./csp.js";

/** What a security report of an event comes to: what it is grouped by, and how it is called. */
export interface SecuritySummary {
  readonly tokens: readonly { readonly name: string; readonly token: string }[];
  readonly title: string;
}

/** Reports about the certificates of a host, by the key of the event that they stand under. */
const hostReports = [
  { key: "hpkp", kind: "hpkp", failed: "Public key pinning validation" },
  { key: "expectct", kind: "expect-ct", failed: "Expect-CT" },
  { key: "expectstaple", kind: "expect-staple", failed: "Expect-Staple" },
] as const;

export type SecurityKey = "csp" | (typeof hostReports)[number]["key"];

/** Undefined for events that hold no security report. */
export function summariseSecurity(event: { readonly [key: string]: unknown }): SecuritySummary | undefined {
  const csp = readCspViolation(event["csp"]);
  if (csp !== undefined)
    return {
      tokens: [
        { name: "kind", token: "csp" },
        { name: "directive", token: csp.directive },
        csp.local === undefined ? { name: "host", token: csp.blockedHost } : { name: "violation", token: csp.local },
      ],
      title: cspTitle(csp),
    };
  for (const { key, kind, failed } of hostReports) {
    const report = event[key];
    if (!isJsonObject(report)) continue;
    const host = textOf(report["hostname"]).toLowerCase().slice(0, 255);
    return {
      tokens: [
        { name: "kind", token: kind },
        { name: "hostname", token: host },
      ],
      title: `${failed} failed for '${host}'`,
    };
  }
  return undefined;
}

/** The report of an event under its key, as browsers send it in a body of its own; undefined for other bodies. */
export function hostReportOf(body: JsonObject): { readonly key: SecurityKey; readonly report: JsonObject } | undefined {
  const { "expect-ct-report": expectCt, "expect-staple-report": staple, "known-pins": pins } = body;
  if (isJsonObject(expectCt)) return { key: "expectct", report: underscored(expectCt) };
  if (isJsonObject(staple)) return { key: "expectstaple", report: underscored(staple) };
  return Array.isArray(pins) || body["served-certificate-chain"] !== undefined
    ? { key: "hpkp", report: underscored(body) }
    : undefined;
}

export function underscored(report: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(report).map(([name, value]) => [name.replaceAll("-", "_"), value]));
}

function textOf(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : "";
}
