import type { Frame } from "../../digest/error-event.js";

/** The method that the compiler makes of statements outside of any. */
const topLevel = "<Main>$";
const topLevelSign = "\uE000";

/** The last class of a path of nested ones, when it is the body of an asynchronous method or of an iterator. */
const stateMachine = /(?:^|[+.])(<[^+.]+>d(?:__\w+)?)$/;
const closureClasses = /(?:[+.]<>c(?:__DisplayClass[\d_]+)?)+$/;

/**
 * The method as it was written. Compilers number what they make of lambdas (`<Pay>b__3_0`), local functions
 * (`<Pay>g__Check|3_0`) and asynchronous bodies (`<Pay>d__3`, `<<Pay>b__3_0>d`); every change of the class numbers them anew.
 */
export function stableDotnetFunction(name: string): string {
  let stable = withoutArity(name).replaceAll(topLevel, topLevelSign);
  // A lambda inside of a local function, asynchronous: no more than three are inside of one another.
  for (let depth = 0; depth < 3; depth++) {
    stable = stable
      .replaceAll(/<([\w.\uE000-]+)>g__(\w+)\|[\d_]+/g, "$1.$2")
      .replaceAll(/<([\w.\uE000-]+)>(?:[bd]__\w+|d\b)/g, "$1");
  }
  return stable.replaceAll(topLevelSign, topLevel);
}

/** What runs as `MoveNext` of a class that is named after it. */
export function asyncMethod({ function: name, module }: Frame): string | undefined {
  return name === "MoveNext" ? stateMachine.exec(withoutArity(module ?? ""))?.[1] : undefined;
}

/** The class as it was written, without those that the compiler made inside of it. */
export function stableDotnetModule(module: string): string {
  return withoutArity(module).replace(stateMachine, "").replace(closureClasses, "");
}

/** `List`1` and `List`2` are one class to people. */
function withoutArity(name: string): string {
  return name.replaceAll(/`\d+/g, "");
}
