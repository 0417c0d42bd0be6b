/** A duration of the API for people, to the millisecond; empty for what is not known. */
export function seconds(value: unknown): string {
  if (typeof value !== "number") return "";
  return value > 0 && value < 1 ? `${Number((value * 1_000).toFixed(1))} ms` : `${Number(value.toFixed(3))} s`;
}
