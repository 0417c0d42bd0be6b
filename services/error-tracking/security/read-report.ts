import { isJsonObject, type JsonObject, type JsonValue, parseJson } from "@signalbox/sentry-protocol";
import { readCspViolation } from "./csp.js";
import { hostReportOf, type SecurityKey, summariseSecurity, underscored } from "./security-kinds.js";

/** What a browser's request says beside the report. */
export interface ReportFacts {
  readonly release: JsonValue | undefined;
  readonly environment: JsonValue | undefined;
  readonly userAgent: string | undefined;
}

/** Reports of one request beyond this number are left out. */
const maxReports = 100;

/**
 * The events that the body of a security report makes: one for the reports that browsers send one by one, any number for
 * the lists of the Reporting API, whose entries of other kinds are passed over.
 * @throws {ProtocolError} `ET_JSON_INVALID`, `ET_JSON_TOO_DEEP`
 */
export function readSecurityReport(body: Uint8Array, facts: ReportFacts): JsonObject[] {
  const parsed = parseJson(body, { maxDepth: 20 });
  const entries = Array.isArray(parsed) ? parsed.slice(0, maxReports) : [parsed];
  return entries.flatMap((entry) => {
    const found = isJsonObject(entry) ? reportOf(entry) : undefined;
    return found === undefined ? [] : [toEvent(found.key, found.report, facts)];
  });
}

interface FoundReport {
  readonly key: SecurityKey;
  readonly report: JsonObject;
}

function reportOf(body: JsonObject): FoundReport | undefined {
  const classic = body["csp-report"];
  if (isJsonObject(classic)) return { key: "csp", report: underscored(classic) };
  if (body["type"] === "csp-violation" && isJsonObject(body["body"]))
    return { key: "csp", report: fromReportingApi(body["body"], body["url"]) };
  return hostReportOf(body);
}

/** Names of the Reporting API, and those of the older reports. */
const reportingNames = {
  documentURL: "document_uri",
  blockedURL: "blocked_uri",
  effectiveDirective: "effective_directive",
  originalPolicy: "original_policy",
  disposition: "disposition",
  referrer: "referrer",
  sample: "script_sample",
  sourceFile: "source_file",
  lineNumber: "line_number",
  columnNumber: "column_number",
  statusCode: "status_code",
} as const;

function fromReportingApi(body: JsonObject, url: JsonValue | undefined): JsonObject {
  const report: JsonObject = {};
  for (const [name, ours] of Object.entries(reportingNames)) {
    const value = body[name];
    if (value !== undefined) report[ours] = value;
  }
  if (url !== undefined) report["document_uri"] ??= url;
  return report;
}

function toEvent(key: SecurityKey, report: JsonObject, { release, environment, userAgent }: ReportFacts): JsonObject {
  const violation = key === "csp" ? readCspViolation(report) : undefined;
  const page = report["document_uri"];
  const { referrer, blocked_uri: blocked } = report;
  const headers: [string, string][] = [];
  if (userAgent !== undefined) headers.push(["User-Agent", userAgent]);
  if (typeof referrer === "string" && referrer !== "") headers.push(["Referer", referrer]);
  const tags: [string, string][] = [];
  if (violation !== undefined && violation.directive !== "") tags.push(["effective-directive", violation.directive]);
  if (typeof blocked === "string" && blocked !== "") tags.push(["blocked-uri", blocked.slice(0, 200)]);
  const title = summariseSecurity({ [key]: report })?.title;
  return {
    [key]: report,
    platform: "other",
    logger: "csp",
    level: "warning",
    // Browsers say nothing of who is in front of them.
    user: { ip_address: "{{auto}}" },
    ...(title === undefined ? {} : { logentry: { formatted: title } }),
    ...(typeof page === "string" ? { request: { url: page, headers } } : { request: { headers } }),
    ...(violation === undefined ? {} : { culprit: violation.directive }),
    ...(tags.length === 0 ? {} : { tags }),
    ...(release === undefined || release === null ? {} : { release }),
    ...(environment === undefined || environment === null ? {} : { environment }),
  };
}
