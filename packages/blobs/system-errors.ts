import { errorCode } from "@signalbox/kernel";
import { BlobError } from "./errors.js";

/** Turns errors of the file system into the port's errors; `work` calls nothing else. */
export async function translateErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const code = errorCode(cause);
    throw new BlobError(code === "ENOSPC" || code === "EDQUOT" ? "BLOB_STORE_FULL" : "BLOB_STORE_UNAVAILABLE", {
      cause,
      details: { system_error: code },
    });
  }
}

/** `undefined` instead of an error when the file or a folder on its path does not exist. */
export async function missingAsUndefined<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

export function isMissing(error: unknown): boolean {
  const code = errorCode(error);
  return code === "ENOENT" || code === "ENOTDIR";
}
