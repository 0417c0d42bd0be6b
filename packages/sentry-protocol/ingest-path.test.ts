import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseIngestPath } from "./index.js";

describe("parseIngestPath", () => {
  test.each([
    ["/api/7/envelope/", "envelope", "7", ""],
    ["/api/7/store/", "store", "7", ""],
    ["/api/store/", "store", undefined, ""],
    ["/api/7/security/", "security", "7", ""],
    ["/api/7/csp-report/", "security", "7", ""],
    ["/api/7/minidump/", "minidump", "7", ""],
    ["/api/7/cron/nightly/", "cron", "7", ""],
    ["/api/7/cron/nightly/abc/", "cron", "7", ""],
    ["/api/7/events/0af/attachments/", "attachments", "7", ""],
    ["/api/7/nel/", "nel", "7", ""],
    ["/api/7/unreal/abc/", "unreal", "7", ""],
    ["/api/7/integration/otlp/v1/traces/", "otlp", "7", ""],
    ["/api/v3/projects/7/notices/", "airbrake", "7", ""],
    ["/api/0/projects/acme/shop/user-feedback/", "user_feedback", undefined, ""],
    ["/errors/api/embed/error-page/", "error_page", undefined, "/errors"],
    ["/errors/api/7/envelope/", "envelope", "7", "/errors"],
    ["/a/b/c/api/7/store/", "store", "7", "/a/b/c"],
    ["/prefix/api/store/", "store", undefined, "/prefix"],
    ["/api/v4/error_tracking/collector/api/7/envelope/", "envelope", "7", "/api/v4/error_tracking/collector"],
    ["/errortracking/api/v1/projects/api/7/envelope/", "envelope", "7", "/errortracking/api/v1/projects"],
    ["/errortracking/api/v1/projects/api/api/7/envelope/", "envelope", "7", "/errortracking/api/v1/projects/api"],
  ])("ET-010 %s", (path, route, project, prefix) => {
    for (const text of [path, path.slice(0, -1)])
      expect(parseIngestPath(text)).toMatchObject({ route, project, prefix, canonical: path.slice(prefix.length) });
  });

  test("slug, key and event id are taken out", () => {
    expect(parseIngestPath("/api/7/cron/nightly/abc/")).toMatchObject({ argument: "nightly", key: "abc" });
    expect(parseIngestPath("/api/7/cron/nightly")).toMatchObject({ argument: "nightly", key: undefined });
    expect(parseIngestPath("/api/7/events/0af/attachments")).toMatchObject({ argument: "0af" });
    expect(parseIngestPath("/api/7/unreal/abc/")).toMatchObject({ key: "abc" });
  });

  test.each([
    "/",
    "",
    "/api/",
    "/api/7/",
    "/api/envelope/",
    "/api/7/envelope/more",
    "/api/7//envelope/",
    "/api//envelope/",
    "/xapi/7/envelope/",
    "/api/v1/projects/7/errors",
    "/api/v1/events/dead",
    "/api/0/projects/org/shop/events/1/",
    "/api/v1/projects/7/errors/events/0af/attachments",
  ])("%s is none of the protocol's", (path) => {
    expect(parseIngestPath(path)).toBeNull();
  });

  test("a project that is no number is left to the caller, unless another reading has none", () => {
    expect(parseIngestPath("/api/abc/envelope/")).toMatchObject({ route: "envelope", project: "abc" });
    expect(parseIngestPath("/api/api/store/")).toMatchObject({ route: "store", project: undefined, prefix: "/api" });
  });

  test("ET-010 every prefix of any segments is cut off", () => {
    const segment = fc.stringMatching(/^[A-Za-z0-9._~%-]{1,10}$/);
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 6 }), fc.nat(), (segments, project) => {
        const prefix = segments.map((text) => `/${text}`).join("");
        expect(parseIngestPath(`${prefix}/api/${project}/envelope/`)).toMatchObject({
          route: "envelope",
          prefix,
          project: String(project),
        });
      }),
    );
  });
});
