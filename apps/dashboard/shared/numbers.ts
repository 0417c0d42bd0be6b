const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const percent = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 1 });

export function formatCount(value: number): string {
  return value < 10_000 ? value.toLocaleString("en") : compact.format(value);
}

export function formatShare(value: number | null | undefined): string {
  return value === null || value === undefined ? "–" : percent.format(value);
}

const byteUnits = ["kB", "MB", "GB"] as const;

/** In units of a thousand, as file managers have them. */
export function formatBytes(bytes: number): string {
  const power = bytes < 1000 ? 0 : Math.min(byteUnits.length, Math.floor(Math.log10(bytes) / 3));
  const unit = byteUnits[power - 1];
  return unit === undefined ? `${bytes} B` : `${(bytes / 1000 ** power).toFixed(1)} ${unit}`;
}
