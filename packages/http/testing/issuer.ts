import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from "jose";
import type { ExternalAlgorithm } from "../issuers.js";

/** A real OpenID provider on a loopback port, which can be told to misbehave. */
export interface TestIssuer {
  /** Its `iss`, and where it listens. */
  readonly url: string;
  /** Requests for its key set so far; the set is also at `/moved`, uncounted and never hostile. */
  readonly keyRequests: number;
  /**
   * Logs somebody in who answers every question with yes, and says no to every program that does not prove itself as PKCE
   * wants it. Claims are those of both tokens.
   */
  readonly login: { claims: JWTPayload; readonly clientId: string };
  /** Adds a key to the published set and signs with it from now on. */
  addKey(algorithm: ExternalAlgorithm): Promise<string>;
  /** Takes every key out of the published set; signing goes on with the newest. */
  unpublishKeys(): void;
  /** A token of this issuer for audience `signalbox`, good for an hour, unless the claims say otherwise. */
  sign(claims?: JWTPayload, header?: { readonly kid?: string }): Promise<string>;
  /** Answers requests for the key set in this way from now on; without an argument normally again. */
  misbehave(answer?: (request: IncomingMessage, response: ServerResponse) => void): void;
  /** Every connection is refused until `comeBack`. */
  goAway(): Promise<void>;
  comeBack(): Promise<void>;
  close(): Promise<void>;
}

interface SigningKey {
  readonly algorithm: ExternalAlgorithm;
  readonly keyId: string;
  readonly privateKey: Awaited<ReturnType<typeof generateKeyPair>>["privateKey"];
}

export async function startTestIssuer(): Promise<TestIssuer> {
  let published: JWK[] = [];
  let signing: SigningKey | undefined;
  let keyRequests = 0;
  let count = 0;
  let hostile: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;
  let url = "";

  const codes = new Map<string, URLSearchParams>();
  const login: { claims: JWTPayload; readonly clientId: string } = { claims: {}, clientId: "dashboard" };
  const authorize = ({ searchParams: asked }: URL, response: ServerResponse): void => {
    const back = new URL(asked.get("redirect_uri") ?? url);
    const isWhole = ["client_id", "state", "nonce", "code_challenge"].every((name) => asked.get(name));
    if (!isWhole || asked.get("code_challenge_method") !== "S256" || asked.get("client_id") !== login.clientId)
      back.searchParams.set("error", "invalid_request");
    else {
      const code = `code-${++count}`;
      codes.set(code, asked);
      back.searchParams.set("code", code);
    }
    back.searchParams.set("state", asked.get("state") ?? "");
    response.writeHead(302, { location: back.href }).end();
  };
  const exchange = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    let text = "";
    for await (const chunk of request) text += String(chunk);
    const given = new URLSearchParams(text);
    const asked = codes.get(given.get("code") ?? "");
    codes.delete(given.get("code") ?? "");
    const challenge = createHash("sha256")
      .update(given.get("code_verifier") ?? "")
      .digest("base64url");
    if (
      asked === undefined ||
      challenge !== asked.get("code_challenge") ||
      given.get("redirect_uri") !== asked.get("redirect_uri")
    ) {
      response.writeHead(400).end(JSON.stringify({ error: "invalid_grant" }));
      return;
    }
    const identity = { aud: login.clientId, nonce: asked.get("nonce") ?? "", ...login.claims };
    const tokens = { access_token: await sign(login.claims), id_token: await sign(identity), token_type: "Bearer" };
    response.end(JSON.stringify(tokens));
  };

  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    response.setHeader("content-type", "application/json");
    if (request.url === "/.well-known/openid-configuration") {
      const endpoints = { authorization_endpoint: `${url}/authorize`, token_endpoint: `${url}/token` };
      response.end(JSON.stringify({ issuer: url, jwks_uri: `${url}/keys`, ...endpoints }));
      return;
    }
    if (request.url?.startsWith("/authorize?")) {
      authorize(new URL(request.url, url), response);
      return;
    }
    if (request.url === "/token") {
      void exchange(request, response);
      return;
    }
    if (request.url === "/moved") {
      response.end(JSON.stringify({ keys: published }));
      return;
    }
    keyRequests++;
    if (hostile) hostile(request, response);
    else response.end(JSON.stringify({ keys: published }));
  };
  let server = createServer(answer);
  const port = await listen(server, 0);
  url = `http://127.0.0.1:${port}`;

  const addKey = async (algorithm: ExternalAlgorithm): Promise<string> => {
    const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true });
    const keyId = `key-${++count}`;
    published = [...published, { ...(await exportJWK(publicKey)), kid: keyId, use: "sig", alg: algorithm }];
    signing = { algorithm, keyId, privateKey };
    return keyId;
  };
  const sign = async (claims: JWTPayload = {}, header: { readonly kid?: string } = {}): Promise<string> => {
    if (signing === undefined) throw new Error("the issuer has no key");
    const nowS = Math.floor(Date.now() / 1000);
    return new SignJWT({
      iss: url,
      aud: "signalbox",
      sub: "alice",
      scope: "errors:read",
      iat: nowS,
      exp: nowS + 3600,
      ...claims,
    })
      .setProtectedHeader({ alg: signing.algorithm, kid: signing.keyId, ...header })
      .sign(signing.privateKey);
  };
  await addKey("ES256");

  return {
    url,
    get keyRequests() {
      return keyRequests;
    },
    addKey,
    unpublishKeys() {
      published = [];
    },
    login,
    sign,
    misbehave(next) {
      hostile = next;
    },
    goAway: () => stop(server),
    async comeBack() {
      server = createServer(answer);
      await listen(server, port);
    },
    close: () => stop(server),
  };
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : port);
    });
  });
}

function stop(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
