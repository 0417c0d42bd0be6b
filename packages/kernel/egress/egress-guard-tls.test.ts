import { createHash, createSign, generateKeyPairSync } from "node:crypto";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
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
  const { certificate, privateKey } = selfSigned(name);
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

/** A certificate that signs itself, valid for a day around now, so that no key needs to be kept in the repository. */
function selfSigned(name: string): { certificate: string; privateKey: string } {
  const keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const publicKey = keys.publicKey.export({ type: "spki", format: "der" });
  const ecdsaWithSha256 = sequence(Buffer.from("06082a8648ce3d040302", "hex"));
  const commonName = sequence(der(0x31, sequence(Buffer.from("0603550403", "hex"), der(0x0c, Buffer.from(name)))));
  const serial = createHash("sha256").update(publicKey).digest().subarray(0, 8);
  serial[0] = 1;
  const alternativeNames = sequence(der(0x82, Buffer.from(name)));
  const extensions = sequence(sequence(Buffer.from("0603551d11", "hex"), der(0x04, alternativeNames)));
  const content = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, serial),
    ecdsaWithSha256,
    commonName,
    sequence(utcTime(Date.now() - 43_200_000), utcTime(Date.now() + 43_200_000)),
    commonName,
    publicKey,
    der(0xa3, extensions),
  );
  const signature = createSign("sha256").update(content).sign(keys.privateKey);
  const bits = der(0x03, Buffer.concat([Buffer.from([0]), signature]));
  const base64 = sequence(content, ecdsaWithSha256, bits).toString("base64").replaceAll(/.{64}/g, "$&\n");
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`,
    privateKey: keys.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

function der(tag: number, content: Uint8Array): Buffer {
  const { length } = content;
  const lengthBytes = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...lengthBytes]), content]);
}

function sequence(...parts: Uint8Array[]): Buffer {
  return der(0x30, Buffer.concat(parts));
}

function utcTime(timeMs: number): Buffer {
  return der(0x17, Buffer.from(`${new Date(timeMs).toISOString().slice(2, 19).replaceAll(/[-:T]/g, "")}Z`));
}
