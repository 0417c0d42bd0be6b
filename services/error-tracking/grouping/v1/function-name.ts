import { stableDotnetFunction } from "./dotnet-name.js";
import type { Family } from "./family.js";

/**
 * What stays of a function's name when everything is taken away that differs between builds, runs or compilers;
 * undefined when nothing does.
 */
export function stableFunction(name: string, family: Family): string | undefined {
  const stable = normalisers[family]?.(name) ?? name;
  return stable === "" || nameless.has(stable) || /^(?:0x)?[0-9a-fA-F]{8,16}$/.test(stable) ? undefined : stable;
}

const nameless = new Set(["<redacted>", "<unknown>", "??"]);

type Normaliser = (name: string) => string;

const normalisers: Readonly<Partial<Record<Family, Normaliser>>> = {
  // Compilers number the lambdas of a class: `lambda$pay$3`, and in Kotlin `pay$lambda$3`.
  java: (name) => (name.startsWith("lambda$") ? "" : stableJavaName(name).replaceAll(/\$lambda(?:\$\d+)+/g, "$lambda")),
  // Anonymous classes are called after file and line, or their parent and those; closures after what they stand in.
  php: (name) => name.replace(/^.*@anonymous.*?::/s, "").replace(/\{closure.*\}/s, "{closure}"),
  // The number of a template may be negative, and its sign becomes a third underscore.
  ruby: (name) => name.replace(/^block\b.*$/s, "block").replace(/___?\d{4,}_\d{4,}$/, ""),
  dotnet: stableDotnetFunction,
  native: stableNativeName,
};

/** Names of classes, methods and files that the JVM or a framework makes at run time carry numbers, hashes and addresses. */
export function stableJavaName(name: string): string {
  return name
    .replaceAll(/(Generated\w{0,100}Accessor)\d+/g, "$1")
    .replaceAll(/(\$\$\w{0,100}CGLIB\$\$)[0-9a-fA-F]+(?:_\d+)?/g, "$1")
    .replaceAll(/(\$\$(?:Enhancer|FastClass)By\w{0,100}\$\$)[0-9a-fA-F]+/g, "$1")
    .replaceAll(/(\$\$_javassist(?:_seam)?)_\d+/g, "$1")
    .replaceAll(/(\$\$_jvst)[0-9a-f]+_[0-9a-f]+/g, "$1")
    .replaceAll(/(\$(?:HibernateProxy|ByteBuddy|MockitoMock)\$)\w+/g, "$1")
    .replaceAll(/(\$fn__)\d+/g, "$1")
    .replaceAll(/(?:\bjdk\.proxy\d+\.)?(\$Proxy)\d+/g, "$1")
    .replace(/\/(?:0x[0-9a-fA-F]+|\d+)$/, "");
}

const operators = /\boperator\s*(?:\(\)|\[\]|->\*?|<=>|<<=?|>>=?|<=?|>=?)/g;
const anonymousNamespace = /\(anonymous namespace\)|\{anonymous\}|`anonymous[ -]namespace'|_GLOBAL__N_1\w*/g;
const lambda = /\{lambda\([^{}]{0,500}\)#\d+\}|<lambda_[0-9a-f]+>|'lambda\d*'|\$_\d+|lambda_[0-9a-f]{8,}/g;

/** Compilers and demanglers write the same function in many ways. */
function stableNativeName(sent: string): string {
  // Objective-C methods are unmistakable as they are.
  if (/^[-+]\[.*\]$/.test(sent)) return sent;
  const kept: string[] = [];
  // What looks like brackets and is part of a name is put aside first.
  const putAside = (text: string): string => {
    kept.push(text);
    return `\uE000${kept.length - 1}\uE000`;
  };
  let name = sent
    .trim()
    .replace(/(?:\.(?:cold|isra|part|constprop|llvm)(?:\.\d+)*)+$/g, "")
    .replace(/(?: \[clone [^\]]*\])+$/, "")
    .replace(/::h[0-9a-f]{16}$/, "")
    .replaceAll(anonymousNamespace, () => putAside("(anonymous)"))
    .replaceAll(lambda, () => putAside("lambda"))
    .replaceAll(/closure #\d+/g, "closure")
    .replaceAll(operators, (found) => putAside(found.replaceAll(/\s/g, "")))
    .replace(/ -> .*$/s, "");
  const isQualifiedRust = name.startsWith("<");
  name = isQualifiedRust ? `<${withoutBrackets(name.slice(1), "<", ">", 1)}` : withoutBrackets(name, "<", ">");
  name = withoutBrackets(name, "(", ")");
  name = name
    .replace(/(?:\s+(?:const|volatile|noexcept|override|&&?))+\s*$/, "")
    .replaceAll(/\s+/g, " ")
    .trim();
  if (!isQualifiedRust && !/ (?:in|for|of) /.test(name)) name = withoutReturnType(name);
  for (let pass = 0; pass < 2; pass++)
    name = name.replaceAll(/\uE000(\d+)\uE000/g, (_, index: string) => kept[Number(index)] ?? "");
  return name;
}

/** Everything between matching brackets goes, and the brackets. `open` of them are open at the start and are kept. */
function withoutBrackets(text: string, opening: string, closing: string, open = 0): string {
  let depth = 0;
  let kept = "";
  let keptOpen = open;
  for (let index = 0; index < text.length; index++) {
    const character = text[index];
    if (character === opening) depth++;
    else if (character === closing && text[index - 1] !== "-") {
      if (depth > 0) depth--;
      else if (keptOpen > 0) {
        keptOpen--;
        kept += character;
      }
    } else if (depth === 0) kept += character;
  }
  return kept;
}

/** `void Shop::pay` is `Shop::pay`, `operator new` stays. */
function withoutReturnType(name: string): string {
  const operator = name.lastIndexOf("operator ");
  const space = name.lastIndexOf(" ", operator < 0 ? name.length : operator);
  return name.slice(space + 1);
}
