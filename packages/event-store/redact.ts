const redacted = "[redacted]";

/** A copy of the data with the values at the given JSON Pointers (`*`: every array item) replaced. */
export function redactData(data: unknown, pointers: readonly string[]): unknown {
  let copy = data;
  for (const pointer of pointers) {
    const path = pointer
      .slice(1)
      .split("/")
      .map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
    copy = redactAt(copy, path);
  }
  return copy;
}

function redactAt(value: unknown, path: readonly string[]): unknown {
  const [head, ...rest] = path;
  if (head === undefined) return redacted;
  if (Array.isArray(value))
    return value.map((item, index) => (head === "*" || head === String(index) ? redactAt(item, rest) : item));
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, head)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, key === head ? redactAt(member, rest) : member]),
  );
}
