import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAuthenticator, createTokenKey, mintToken } from "@signalbox/http";
import { generateKeyPair, jwtVerify, SignJWT } from "jose";
import { type Benchmark, scaled } from "./harness.js";

const tokens = scaled(5_000);
const repeats = scaled(200_000);

async function millisecondsEach(count: number, work: (index: number) => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  for (let index = 0; index < count; index++) await work(index);
  return (performance.now() - startedMs) / count;
}

/** The full check of a token, against `jwtVerify` of jose with a key at hand; and of one that was checked before. */
export const experienceAuth: Benchmark = {
  name: "experience-auth",
  proves: ["XP-909"],
  async run(report) {
    const directory = await mkdtemp(join(tmpdir(), "signalbox-bench-"));
    const key = await createTokenKey(directory);
    const mint = async (): Promise<string> =>
      (await mintToken(key, { subject: "bench", scopes: ["experience:write"], lifetimeMs: 3_600_000 })).token;
    const own: string[] = [];
    for (let index = 0; index < tokens; index++) own.push(await mint());
    const authenticator = createAuthenticator({ key, isRevoked: () => false });
    const uncached = await millisecondsEach(tokens, (index) => authenticator.authenticate(own[index]));
    const cached = await millisecondsEach(repeats, () => authenticator.authenticate(own[0]));

    const pair = await generateKeyPair("EdDSA");
    const sign = (jti: number): Promise<string> =>
      new SignJWT({ scope: "experience:write", jti: String(jti) })
        .setProtectedHeader({ alg: "EdDSA" })
        .setSubject("bench")
        .setIssuer("signalbox")
        .setAudience("signalbox")
        .setExpirationTime("1h")
        .sign(pair.privateKey);
    const theirs = await Promise.all(Array.from({ length: tokens }, (_, index) => sign(index)));
    const peer = await millisecondsEach(tokens, (index) =>
      jwtVerify(theirs[index] ?? "", pair.publicKey, { issuer: "signalbox", audience: "signalbox" }),
    );
    await rm(directory, { recursive: true });
    report({
      workload: `${tokens} different tokens: full check of each`,
      measured: { value: uncached, unit: "ms" },
      peer: { name: "jose.jwtVerify with a local key", value: peer },
      targetRatio: 1.3,
    });
    report({
      workload: "a token that was verified before",
      measured: { value: cached, unit: "ms" },
      target: 0.05,
    });
  },
};
