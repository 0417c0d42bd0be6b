/** A duration of the API for people; empty for what is not known. */
export function seconds(value: unknown): string {
  return typeof value === "number" ? `${Number(value.toFixed(3))} s` : "";
}
