import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { createSelfSignedCertificate } from "@signalbox/testing/servers";
import { afterEach, expect, test } from "vitest";
import { createEgressGuard } from "./egress-guard.js";

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

test("PF-037 over TLS the connection is pinned while name indication, certificate and Host keep the name", async () => {
  const { certificate, port, seen } = await serveTls("hooks.example.test");
  const guard = createEgressGuard({
    allowPrivate: ["hooks.example.test"],
    resolve: async () => ["127.0.0.1"],
    certificateAuthorities: [certificate],
  });
  const { status } = await guard.request(`https://hooks.example.test:${port}/`);
  expect(status).toBe(200);
  expect(seen).toEqual([{ indicatedName: "hooks.example.test", host: `hooks.example.test:${port}` }]);
});

test("PF-037 a certificate for another name, or of an unknown authority, is refused", async () => {
  const { certificate, port, seen } = await serveTls("hooks.example.test");
  const options = { allowPrivate: ["other.example.test"], resolve: async () => ["127.0.0.1"] };
  const url = `https://other.example.test:${port}/`;
  await expect(
    createEgressGuard({ ...options, certificateAuthorities: [certificate] }).request(url),
  ).rejects.toMatchObject({ code: "EGRESS_UNREACHABLE", cause: { code: "ERR_TLS_CERT_ALTNAME_INVALID" } });
  await expect(createEgressGuard(options).request(url)).rejects.toMatchObject({
    cause: { code: "DEPTH_ZERO_SELF_SIGNED_CERT" },
  });
  expect(seen).toEqual([]);
});

test("PF-037 a redirect from https to http is not followed", async () => {
  const { certificate, port } = await serveTls("hooks.example.test", { location: "http://hooks.example.test/" });
  const guard = createEgressGuard({
    allowPrivate: ["hooks.example.test"],
    resolve: async () => ["127.0.0.1"],
    certificateAuthorities: [certificate],
  });
  await expect(guard.request(`https://hooks.example.test:${port}/`, { maxRedirects: 1 })).rejects.toMatchObject({
    code: "EGRESS_REDIRECT_REFUSED",
    details: { reason: "from https to http" },
  });
});

async function serveTls(name: string, redirect?: { location: string }) {
  const { certificate, privateKey } = createSelfSignedCertificate(name);
  const seen: { indicatedName: string | false | null | undefined; host: string | undefined }[] = [];
  const server = createServer({ cert: certificate, key: privateKey }, (request, response) => {
    seen.push({ indicatedName: (request.socket as TLSSocket).servername, host: request.headers.host });
    response.writeHead(redirect ? 302 : 200, redirect ?? {}).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return { certificate, port: (server.address() as AddressInfo).port, seen };
}
