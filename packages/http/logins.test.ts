import { silentLogger } from "@signalbox/kernel";
import type { FastifyInstance } from "fastify";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createAuthenticator } from "./authenticator.js";
import { createLogins } from "./logins.js";
import { createSessions } from "./sessions.js";
import { startTestIssuer, type TestIssuer } from "./testing/issuer.js";
import { bodyOf, serve } from "./testing/serve.js";
import { createTestTokens } from "./testing/tokens.js";

let issuer: TestIssuer;
let url: string;

beforeAll(async () => {
  issuer = await startTestIssuer();
});

async function listen(): Promise<void> {
  const tokens = await createTestTokens();
  const authenticator = createAuthenticator({
    key: tokens.key,
    isRevoked: () => false,
    issuers: [{ issuer: issuer.url }],
  });
  const sessions = createSessions({ isSecure: () => false });
  const logins = createLogins({
    logins: [{ issuer: issuer.url, clientId: issuer.login.clientId, label: "The forge" }],
    sessions,
    authenticator,
    publicUrl: () => undefined,
    isSecure: () => false,
    logger: silentLogger,
  });
  const register = async (app: FastifyInstance): Promise<void> => {
    await app.register(sessions.routes);
    await app.register(logins);
  };
  ({ url } = await serve({ authenticator, readToken: (request) => sessions.readToken(request) }, register));
}
beforeEach(() => {
  issuer.login.claims = { scope: "errors:read" };
});
afterAll(() => issuer.close());

/** A browser: it keeps cookies, and follows nothing by itself. */
function browser() {
  const cookies = new Map<string, string>();
  return {
    cookies,
    async open(address: string) {
      const here = address.startsWith(url);
      const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
      const response = await fetch(address, { redirect: "manual", headers: here ? { cookie } : {} });
      for (const line of here ? response.headers.getSetCookie() : []) {
        const [name = "", value = ""] = (line.split(";")[0] ?? "").split("=");
        if (/Max-Age=0/.test(line)) cookies.delete(name);
        else cookies.set(name, value);
      }
      return { status: response.status, location: response.headers.get("location") ?? "", response };
    },
  };
}

type Browser = ReturnType<typeof browser>;

/** As far as the issuer's answer, which is not delivered yet. */
async function askIssuer(user: Browser, to = "/overview") {
  const begun = await user.open(`${url}/api/v1/session/login/0?to=${encodeURIComponent(to)}`);
  const answered = await user.open(begun.location);
  return { begun, callback: answered.location };
}

describe("PF-035 login at an issuer by authorization code with PKCE", () => {
  test("PF-035 the list says where people can log in", async () => {
    await listen();
    const answer = await fetch(`${url}/api/v1/session/logins`);
    expect(await answer.json()).toEqual([{ label: "The forge", href: "/api/v1/session/login/0" }]);
  });

  test("PF-035 a login begins a session with the issuer's token in a cookie that scripts cannot read", async () => {
    await listen();
    const user = browser();
    const { begun, callback } = await askIssuer(user, "/projects/1/errors?range=1h");
    const asked = new URL(begun.location).searchParams;
    expect(asked.get("code_challenge_method")).toBe("S256");
    expect(begun.response.headers.get("set-cookie")).toMatch(/^signalbox_login=.*HttpOnly; SameSite=Lax/);
    expect(callback).toContain(`${url}/api/v1/session/login/callback?`);

    const finished = await user.open(callback);
    expect(finished).toMatchObject({ status: 302, location: "/projects/1/errors?range=1h" });
    expect(finished.response.headers.getSetCookie().join()).toMatch(
      /signalbox_session=[^;]+; Path=\/; HttpOnly; SameSite=Lax/,
    );
    expect([...user.cookies.keys()]).toEqual(["signalbox_session"]);
    const session = await user.open(`${url}/api/v1/session`);
    expect(await bodyOf(session.response)).toMatchObject({ subject: "alice", scopes: ["errors:read"] });
  });

  test("PF-035 an answer that this browser did not ask for begins no session", async () => {
    await listen();
    const attacker = browser();
    const { callback } = await askIssuer(attacker);
    const victim = browser();
    expect(await victim.open(callback)).toMatchObject({ status: 302, location: "/?login=failed" });
    await askIssuer(victim);
    // An attempt of its own, but not this one.
    expect((await victim.open(callback)).location).toBe("/?login=failed");
    expect(victim.cookies.has("signalbox_session")).toBe(false);
  });

  test("PF-035 a code is good only for the attempt that asked for it", async () => {
    await listen();
    const user = browser();
    const { callback } = await askIssuer(user);
    const cookie = user.cookies.get("signalbox_login") ?? "";
    const attempt = JSON.parse(Buffer.from(cookie, "base64url").toString());
    const changed = Buffer.from(JSON.stringify({ ...attempt, verifier: "another" })).toString("base64url");
    user.cookies.set("signalbox_login", changed);
    expect((await user.open(callback)).location).toBe("/overview?login=failed");
    expect(user.cookies.has("signalbox_session")).toBe(false);
  });

  test("PF-035 a token that the server does not take begins no session", async () => {
    await listen();
    issuer.login.claims = { aud: "somebody else" };
    const user = browser();
    const { callback } = await askIssuer(user);
    expect((await user.open(callback)).location).toBe("/overview?login=refused");
    expect(user.cookies.has("signalbox_session")).toBe(false);
  });

  test("PF-035 a token that allows nothing begins no session", async () => {
    await listen();
    issuer.login.claims = { scope: "of another program" };
    const user = browser();
    const { callback } = await askIssuer(user);
    expect((await user.open(callback)).location).toBe("/overview?login=refused");
    expect(user.cookies.has("signalbox_session")).toBe(false);
  });

  test("PF-035 an id token with another nonce begins no session", async () => {
    await listen();
    issuer.login.claims = { nonce: "of another login" };
    const user = browser();
    const { callback } = await askIssuer(user);
    expect((await user.open(callback)).location).toBe("/overview?login=failed");
    expect(user.cookies.has("signalbox_session")).toBe(false);
  });

  test.each(["https://evil.example", "//evil.example", "/\\evil.example", "/..//evil.example", "javascript:alert(1)"])(
    "PF-035 nobody is sent from here to %s",
    async (to) => {
      await listen();
      const user = browser();
      const { callback } = await askIssuer(user, to);
      const { location } = await user.open(callback);
      expect(new URL(location, url).origin).toBe(new URL(url).origin);
      expect(location.startsWith("//")).toBe(false);
    },
  );

  test("PF-035 without the issuer the browser comes back and is told", async () => {
    await listen();
    await issuer.goAway();
    const user = browser();
    const answer = await user.open(`${url}/api/v1/session/login/0?to=/overview`);
    await issuer.comeBack();
    expect(answer).toMatchObject({ status: 302, location: "/overview?login=failed" });
  });

  test("PF-035 there is no login beyond those that are configured", async () => {
    await listen();
    expect((await fetch(`${url}/api/v1/session/login/7`)).status).toBe(404);
  });
});
