import { createHash, createSign, generateKeyPairSync } from "node:crypto";

/** Both as PEM. */
export interface SelfSignedCertificate {
  readonly certificate: string;
  readonly privateKey: string;
}

/** A certificate that signs itself, valid for a day around now, so that no key needs to be kept in the repository. */
export function createSelfSignedCertificate(name: string): SelfSignedCertificate {
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
  const base64 = sequence(content, ecdsaWithSha256, bits)
    .toString("base64")
    .match(/.{1,64}/g)
    ?.join("\n");
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
