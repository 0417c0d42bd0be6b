import type { ErrorEvent, Frame } from "../../digest/error-event.js";
import type { GroupingRules } from "../grouping.js";
import { familyOf } from "./family.js";

const libraryPaths = [
  "site-packages",
  "dist-packages",
  "/lib/python",
  "node_modules",
  "/vendor/",
  "/gems/",
  "/pkg/mod/",
  "/usr/lib/",
  "/usr/local/go/src/",
  "/rustc/",
  "/.cargo/",
  "/system/library/",
  "c:/windows/",
];

/** How paths of runtimes and of browser extensions begin. */
const runtimeStarts = [
  "node:",
  "internal/",
  "chrome-extension://",
  "moz-extension://",
  "safari-extension://",
  "safari-web-extension://",
  "ms-browser-extension://",
  "extension://",
];

const libraryModules = [
  "java.",
  "javax.",
  "jdk.",
  "sun.",
  "com.sun.",
  "kotlin.",
  "kotlinx.",
  "scala.",
  "groovy.",
  "android.",
  "androidx.",
  "dalvik.",
  "org.springframework.",
  "org.apache.",
  "org.hibernate.",
  "io.netty.",
  "System.",
  "Microsoft.",
];

const runtimeFunctions = ["std::", "core::", "alloc::", "__cxa_"];

const systemPackages = [
  "/usr/lib",
  "/lib/",
  "/lib64/",
  "/system/",
  "/apex/",
  "/system/library/",
  "/usr/lib/system/",
  "c:/windows/",
  "/libexec/",
];

/**
 * Whether a frame belongs to the application: the project's rules decide first, then the client, then what paths,
 * modules and packages of libraries and runtimes usually look like.
 */
export function isInApp(frame: Frame, event: ErrorEvent, rules: GroupingRules): boolean {
  return rules.inApp?.(frame, event) ?? frame.in_app ?? looksInApp(frame, event.platform);
}

/** A frame that rules have marked (`markInApp`) as the client sent it; others as they are. */
export function withInAppAsSent(frame: Frame): Frame {
  const sent = frame["orig_in_app"];
  if (sent === undefined) return frame;
  return { ...frame, in_app: typeof sent === "boolean" ? sent : undefined };
}

function looksInApp(frame: Frame, eventPlatform: string): boolean {
  if (pathOfLibrary(frame.filename) || pathOfLibrary(frame.abs_path)) return false;
  if (frame.module !== undefined && startsWithAny(frame.module, libraryModules)) return false;
  if (frame.function !== undefined && startsWithAny(frame.function, runtimeFunctions)) return false;
  if (frame.package !== undefined) return !startsWithAny(normalPath(frame.package), systemPackages);
  return familyOf(frame.platform ?? eventPlatform) !== "native";
}

function pathOfLibrary(path: string | undefined): boolean {
  if (path === undefined) return false;
  const normal = normalPath(path);
  return startsWithAny(normal, runtimeStarts) || libraryPaths.some((part) => normal.includes(part));
}

function normalPath(path: string): string {
  return path.replaceAll("\\", "/").toLowerCase();
}

function startsWithAny(text: string, starts: readonly string[]): boolean {
  return starts.some((start) => text.startsWith(start));
}
