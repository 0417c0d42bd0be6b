import { randomUUID } from "node:crypto";
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errorCode } from "@signalbox/kernel";
import { createSigner, newSecretKey, readSecretKey, type Signer } from "@signalbox/nostr";
import { RelayError } from "./errors.js";

const fileName = "relay-key";

export interface RelayKeyOptions {
  readonly directory: string;
  /** Hex or `nsec1…`; wins over the file. */
  readonly configured?: string | undefined;
}

/**
 * The key with which the relay speaks for itself: the configured one, else that of the file `relay-key` (mode 0600), which
 * is made on first start.
 * @throws {RelayError} `RELAY_BAD_KEY`, which does not show the key
 */
export function loadRelayKey({ directory, configured }: RelayKeyOptions): Signer {
  if (configured !== undefined) return signerOf(configured.trim(), "`relay.secret_key`");
  const path = join(directory, fileName);
  if (!existsSync(path)) makeKey(directory, path);
  return signerOf(readFileSync(path, "utf8").trim(), `The file \`${fileName}\``);
}

/** Makes the file with its content in one step. Another process may be as fast: the first file stays. */
function makeKey(directory: string, path: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const draft = `${path}.${randomUUID()}`;
  try {
    writeFileSync(draft, `${Buffer.from(newSecretKey()).toString("hex")}\n`, { mode: 0o600 });
    linkSync(draft, path);
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

function signerOf(text: string, where: string): Signer {
  try {
    return createSigner(readSecretKey(text));
  } catch (cause) {
    throw new RelayError("RELAY_BAD_KEY", { cause, message: `${where} holds no secret key` });
  }
}
