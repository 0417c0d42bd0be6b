import type { ErrorEvent, Frame } from "../../digest/error-event.js";
import type { Component } from "../grouping.js";
import { ignored, leaf, node } from "./component.js";
import { asyncMethod, stableDotnetModule } from "./dotnet-name.js";
import { type Family, familyOf } from "./family.js";
import { stableFunction, stableJavaName } from "./function-name.js";
import { isNamelessScript, scriptFunction, scriptPath, withoutBuildHash } from "./script-name.js";

/** Platforms whose SDKs send lines of source that are the same on every machine. */
const platformsWithSource = new Set(["javascript", "node", "python", "php", "ruby"]);

const maxContextLine = 120;

const urlSchemes = /^(?:https?|blob|applewebdata):/i;
const namelessFiles = new Set(["<anonymous>", "[native code]"]);
/** Source that Python made up: `<string>`, `<ipython-input-…>`; parts of the interpreter itself are `<frozen …>`. */
const generatedSource = /^<(?!frozen ).*>$/;

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
  if (family === "javascript") return scriptFunction(name);
  const written = family === "dotnet" ? asyncMethod(frame) : undefined;
  return stableFunction(written ?? name, family);
}

function dropped(hint: string): Component {
  return { name: "frame", contributes: false, hint };
}

/** Browsers show or hide native frames and `eval`, so they tell nothing. */
function isEvaluated(frame: Frame): boolean {
  return frame.function === "eval" || isNamelessScript(frame.abs_path) || isNamelessScript(frame.filename);
}

function moduleComponent(frame: Frame, family: Family): Component | undefined {
  const { module } = frame;
  if (module === undefined) return undefined;
  if (family === "javascript") {
    // Such a module is made of the path by the SDK, and pages are served from many paths.
    const fromPath = module.includes("/") && withoutExtension(frame.abs_path).endsWith(withoutExtension(module));
    return fromPath ? undefined : leaf("module", withoutBuildHash(module), { original: module });
  }
  if (family === "java") {
    if (/\$\$Lambda[$/]/.test(module)) return ignored("module", module, "made at run time");
    return leaf("module", stableJavaName(module), { original: module });
  }
  if (family === "dotnet") return leaf("module", stableDotnetModule(module), { original: module });
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
  const name = baseName(family === "javascript" ? scriptPath(path) : path);
  const stable = fileNameMakers[family]?.(name) ?? name;
  return leaf("filename", stable.toLowerCase(), { original: path });
}

/** Families whose files are named by a build or at run time. */
const fileNameMakers: Readonly<Partial<Record<Family, (name: string) => string>>> = {
  java: stableJavaName,
  javascript: withoutBuildHash,
};

function baseName(path: string): string {
  return path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
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
