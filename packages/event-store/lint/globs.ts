const compiled = new Map<string, RegExp>();

/** Whether a path with forward slashes, or any other text, is matched by one of the patterns. */
export function matchesGlob(text: string, globs: readonly string[]): boolean {
  return globs.some((glob) => toRegExp(glob).test(text));
}

function toRegExp(glob: string): RegExp {
  let pattern = compiled.get(glob);
  if (!pattern) {
    pattern = new RegExp(`^${translate(glob.replace(/^\.\//, ""))}$`);
    compiled.set(glob, pattern);
  }
  return pattern;
}

/** `*` and `?` stay within a segment, `**` does not; braces hold alternatives. */
function translate(glob: string): string {
  return glob.replace(/\*\*\/|\*\*|[*?{},]|[.+^$()|[\]\\]/g, (token) => {
    switch (token) {
      case "**/":
        return "(?:.*/)?";
      case "**":
        return ".*";
      case "*":
        return "[^/]*";
      case "?":
        return "[^/]";
      case "{":
        return "(?:";
      case "}":
        return ")";
      case ",":
        return "|";
      default:
        return `\\${token}`;
    }
  });
}
