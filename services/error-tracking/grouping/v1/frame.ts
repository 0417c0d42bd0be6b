import type { ErrorEvent, Frame } from "../../digest/error-event.js";
import type { Component } from "../grouping.js";
import { ignored, leaf, node } from "./component.js";
import { type Family, familyOf } from "./family.js";
import { stableFunction, stableJavaName, withoutArity } from "./function-name.js";

/** Platforms whose SDKs send lines of source that are the same on every machine. */
const platformsWithSource = new Set(["javascript", "node", "python", "php", "ruby"]);

const maxContextLine = 120;

const urlSchemes = /^(?:https?|blob|applewebdata):/i;
const namelessFiles = new Set(["<anonymous>", "[native code]"]);
const evalPaths = new Set(["[native code]", "native code", "eval code", "<anonymous>"]);
/** Source that Python made up: `<string>`, `<ipython-input-…>`; parts of the interpreter itself are `<frozen …>`. */
const generatedSource = /^<(?!frozen ).*>$/;
const namelessFunctions = new Set(["?", "<anonymous>", "<anonymous function>", "Anonymous function", "anonymous", ""]);

/** The tokens of one frame: module or file, function, and the line of source where it is stable. */
export function frameComponent(frame: Frame, event: ErrorEvent): Component {
  const platform = frame.platform ?? event.platform;
  const family = familyOf(platform);
  if (family === "javascript" && isEvaluated(frame)) return dropped("evaluated or native code");
  const line = contextLineComponent(frame, platform, family);
  const origin = moduleComponent(frame, family) ?? fileComponent(frame, family);
  return node("frame", [origin, functionComponent(frame, family, line.contributes), line]);
}

/** A frame from a page on the web, whose path says where it was served rather than what it is. */
export function hasUrlOrigin(frame: Frame): boolean {
  return urlSchemes.test(frame.abs_path ?? frame.filename ?? "");
}

export function functionName(frame: Frame, family: Family): string | undefined {
  const name = frame.function;
  if (name === undefined) return undefined;
  if (family !== "javascript") return stableFunction(asyncMethod(frame, family) ?? name, family);
  // Engines differ in whether they say that a function is called as constructor, asynchronously or by another name.
  const bare = name.replace(/^(?:async\*?|new)\s+|^async\*/, "").replace(/ \[as [^\]]*\]$/, "");
  const last = bare.slice(bare.lastIndexOf(".") + 1);
  return namelessFunctions.has(last) || last.endsWith("/<") ? undefined : last;
}

const stateMachine = /[+.]?<(\w+)>d__\w+$/;

/** The body of an asynchronous .NET method runs as `MoveNext` of a class that is named after it. */
function asyncMethod({ function: name, module }: Frame, family: Family): string | undefined {
  return family === "dotnet" && name === "MoveNext" ? stateMachine.exec(module ?? "")?.[1] : undefined;
}

function dropped(hint: string): Component {
  return { name: "frame", contributes: false, hint };
}

/** Browsers show or hide native frames and `eval`, so they tell nothing. */
function isEvaluated(frame: Frame): boolean {
  return frame.function === "eval" || evalPaths.has(frame.abs_path ?? "") || evalPaths.has(frame.filename ?? "");
}

function moduleComponent(frame: Frame, family: Family): Component | undefined {
  const { module } = frame;
  if (module === undefined) return undefined;
  if (family === "javascript") {
    // Such a module is made of the path by the SDK, and pages are served from many paths.
    const fromPath = module.includes("/") && withoutExtension(frame.abs_path).endsWith(withoutExtension(module));
    return fromPath ? undefined : leaf("module", module);
  }
  if (family === "java") {
    if (/\$\$Lambda[$/]/.test(module)) return ignored("module", module, "made at run time");
    return leaf("module", stableJavaName(module), { original: module });
  }
  if (family === "dotnet") {
    const stable = withoutArity(module.replace(stateMachine, "").replace(/[+.]<>c(?:__DisplayClass[\d_]+)?$/, ""));
    return leaf("module", stable, { original: module });
  }
  return leaf("module", module);
}

function withoutExtension(path = ""): string {
  return path.replace(/[?#].*$/, "").replace(/\.[cm]?[jt]sx?$/, "");
}

function fileComponent(frame: Frame, family: Family): Component {
  const path = frame.filename ?? frame.abs_path;
  if (path === undefined) return leaf("filename", undefined);
  if (hasUrlOrigin(frame) || urlSchemes.test(path)) return ignored("filename", path, "a URL");
  if (namelessFiles.has(path)) return ignored("filename", path, "not a file");
  if (family === "python" && generatedSource.test(path)) return ignored("filename", path, "made at run time");
  const name = path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
  return leaf("filename", (family === "java" ? stableJavaName(name) : name).toLowerCase(), { original: path });
}

function functionComponent(frame: Frame, family: Family, hasLine: boolean): Component {
  const name = functionName(frame, family);
  if (name === undefined && frame.function !== undefined) return ignored("function", frame.function, "no name");
  // Minifiers rename functions with every build, while a source map brings back the line itself.
  if (hasLine && family === "javascript" && typeof frame.data?.["sourcemap"] === "string")
    return ignored("function", name, "the source line is known by source map");
  return leaf("function", name, { original: frame.function });
}

function contextLineComponent(frame: Frame, platform: string, family: Family): Component {
  const sent = frame.context_line;
  if (sent === undefined || !platformsWithSource.has(platform)) return leaf("context_line", undefined);
  if (sent.length > maxContextLine) return ignored("context_line", undefined, "longer than 120 characters");
  if (family === "javascript" && hasUrlOrigin(frame) && functionName(frame, family) === undefined)
    return ignored("context_line", sent, "a page without function name");
  const line = sent.replaceAll("\t", "  ").replaceAll(/\s+/g, " ").trim();
  return leaf("context_line", line, { original: sent });
}
