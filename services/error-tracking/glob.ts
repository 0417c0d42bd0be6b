/** Globs repeat from event to event. */
const compiled = new Map<string, RegExp>();
const maxCompiled = 2000;

/** Whether a text matches a glob as a whole, in any case: `*` is anything, `?` any one character. */
export function matchesGlob(text: string, glob: string): boolean {
  if (!/[*?]/.test(glob)) return text.toLowerCase() === glob.toLowerCase();
  // Compared piece by piece, so that no glob can make a long text expensive.
  if (!glob.includes("?")) return matchesPieces(text.toLowerCase(), glob.toLowerCase().split("*"));
  let pattern = compiled.get(glob);
  if (pattern === undefined) {
    const source = glob.replaceAll(/\*+/g, "*").replaceAll(/[^\w*?]/g, "\\$&");
    pattern = new RegExp(`^${source.replaceAll("?", "[^]").replaceAll("*", "[^]*?")}$`, "i");
    if (compiled.size >= maxCompiled) compiled.clear();
    compiled.set(glob, pattern);
  }
  return pattern.test(text);
}

function matchesPieces(text: string, pieces: readonly string[]): boolean {
  const [first = ""] = pieces;
  const last = pieces.at(-1) ?? "";
  if (!text.startsWith(first) || text.length < first.length + last.length || !text.endsWith(last)) return false;
  let at = first.length;
  const end = text.length - last.length;
  for (const piece of pieces.slice(1, -1)) {
    const found = text.indexOf(piece, at);
    if (found < 0 || found + piece.length > end) return false;
    at = found + piece.length;
  }
  return true;
}
