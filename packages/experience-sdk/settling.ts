import { isRecord } from "./is-record.js";

/** Runs `work`, and `onEnd` behind it or behind the promise that it returns. Result and failure stay what they are. */
export function settling<T>(work: () => T, onEnd: (failure?: { readonly error: unknown }) => void): T {
  const fail = (error: unknown): never => {
    onEnd({ error });
    throw error;
  };
  let result: T;
  try {
    result = work();
  } catch (error) {
    return fail(error);
  }
  if (!isThenable(result)) {
    onEnd();
    return result;
  }
  const settled = result.then((value) => {
    onEnd();
    return value;
  }, fail);
  // The promise of the same value: what `then` of a thenable returns has no better type.
  return settled as T;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return isRecord(value) && typeof value["then"] === "function";
}
