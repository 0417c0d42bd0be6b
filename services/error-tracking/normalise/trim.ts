/** The first `maxLength` UTF-16 units with a mark at the end when something was cut; no surrogate pair is split. */
export function trimText(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text;
  return `${text.slice(0, pairSafeEnd(text, maxLength - 1))}…`;
}

/** As `trimText`, in bytes of UTF-8. */
export function trimTextToBytes(text: string, maxBytes: number): string {
  if (text.length * 3 <= maxBytes || Buffer.byteLength(text) <= maxBytes) return text;
  let end = 0;
  let bytes = Buffer.byteLength("…");
  for (const character of text) {
    bytes += Buffer.byteLength(character);
    if (bytes > maxBytes) break;
    end += character.length;
  }
  return `${text.slice(0, end)}…`;
}

function pairSafeEnd(text: string, end: number): number {
  const last = text.charCodeAt(end - 1);
  return last >= 0xd800 && last <= 0xdbff ? end - 1 : end;
}

export interface MiddleTrimmed<T> {
  readonly kept: T[];
  /** Half-open range of what was left out; absent when nothing was. */
  readonly omitted?: [from: number, to: number];
}

/** Leaves out the middle of a list that is too long: both ends of a stack tell more than its middle. */
export function trimMiddle<T>(items: T[], maxItems: number): MiddleTrimmed<T> {
  if (items.length <= maxItems) return { kept: items };
  const head = Math.floor(maxItems / 2);
  const tail = maxItems - head;
  const resume = items.length - tail;
  return { kept: [...items.slice(0, head), ...items.slice(resume)], omitted: [head, resume] };
}
