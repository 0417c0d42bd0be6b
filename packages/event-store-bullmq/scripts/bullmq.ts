import { createRequire } from "node:module";

/**
 * What BullMQ does to a queue, it does in Lua scripts, one call for each job. Here each of them becomes a function in
 * scripts of ours, so that one call moves many jobs, and checks what BullMQ does not know (keys, limits, locks) in the
 * same atomic step. The jobs stay BullMQ's in every detail, because it is BullMQ's code that makes and moves them.
 *
 * The scripts are no public interface, therefore the version of `bullmq` is pinned exactly and the contract suite is
 * run before it changes.
 */
const bullmqScripts = {
  addDelayedJob: "addDelayedJob-6",
  addParentJob: "addParentJob-6",
  addStandardJob: "addStandardJob-9",
  moveJobFromActiveToWait: "moveJobFromActiveToWait-9",
  moveToActive: "moveToActive-11",
  moveToDelayed: "moveToDelayed-11",
  moveToFinished: "moveToFinished-14",
  releaseParentIfNoPendingDependencies: "releaseParentIfNoPendingDependencies-2",
} as const;

export type BullmqScript = keyof typeof bullmqScripts;

const require = createRequire(import.meta.url);

/** Lua functions of BullMQ's scripts under their names; they take `KEYS` and `ARGV` as parameters. */
export function bullmqFunctions(names: readonly BullmqScript[]): string {
  return names.map((name) => `local function ${name}(KEYS, ARGV)\n${readScript(name)}\nend`).join("\n");
}

/** @throws {Error} when another version of BullMQ is installed than the one that this package was made for. */
function readScript(name: BullmqScript): string {
  const module: unknown = require(`bullmq/dist/cjs/scripts/${bullmqScripts[name]}.js`);
  const content = propertyOf(propertyOf(module, name), "content");
  if (typeof content !== "string") throw new Error(`This version of BullMQ has no script ${bullmqScripts[name]}`);
  return content;
}

function propertyOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}
