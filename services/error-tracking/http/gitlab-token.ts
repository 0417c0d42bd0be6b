import { createHash, timingSafeEqual } from "node:crypto";
import { HttpProblem, type Principal, type RouteConfig } from "@signalbox/http";
import type { Secret } from "@signalbox/kernel";

const header = "gitlab-error-tracking-token";

/**
 * For the routes that GitLab's own clients call: they send one token of the instance in a header of their own. Without such
 * a token in the configuration the header means nothing.
 */
export function gitlabAccess(token: Secret | undefined): Pick<RouteConfig, "readPrincipal"> {
  if (token === undefined) return {};
  const expected = digest(token.reveal());
  const principal: Principal = {
    subject: "gitlab",
    issuer: "signalbox",
    scopes: new Set(["errors:read", "errors:write", "errors:admin"]),
    tokenId: "gitlab",
    expiresAtMs: Number.MAX_SAFE_INTEGER,
  };
  return {
    readPrincipal(request) {
      const sent = request.headers[header];
      if (sent === undefined) return undefined;
      // Digests have one length, so comparing them tells nothing of the token.
      if (typeof sent === "string" && timingSafeEqual(digest(sent), expected)) return principal;
      throw new HttpProblem("invalid_token", { detail: "The token of GitLab is not the configured one." });
    },
  };
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
