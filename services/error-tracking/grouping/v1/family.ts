/** Platforms that share rules for names of functions, files and modules. */
export type Family = "javascript" | "java" | "python" | "php" | "ruby" | "dotnet" | "native" | "other";

const families: ReadonlyMap<string, Family> = new Map([
  ["javascript", "javascript"],
  ["node", "javascript"],
  ["deno", "javascript"],
  ["java", "java"],
  ["kotlin", "java"],
  ["scala", "java"],
  ["groovy", "java"],
  ["python", "python"],
  ["php", "php"],
  ["ruby", "ruby"],
  ["csharp", "dotnet"],
  ["vb", "dotnet"],
  ["native", "native"],
  ["cocoa", "native"],
  ["objc", "native"],
  ["swift", "native"],
  ["c", "native"],
  ["rust", "native"],
]);

/** A frame may name a platform of its own; mixed stacks (React Native, Unity) need that. */
export function familyOf(platform: string): Family {
  return families.get(platform) ?? "other";
}
