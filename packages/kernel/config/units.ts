const durationUnitsMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;
const binaryUnits = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 } as const;
const sizeUnitsBytes = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, ...binaryUnits } as const;

export type DurationText = `${number}${keyof typeof durationUnitsMs}` | "0";
export type SizeText = `${number}${keyof typeof sizeUnitsBytes}` | "0";

const durationPart = /(\d+(?:\.\d+)?)(ms|s|m|h|d|w)/y;
const sizePattern = /^(\d+(?:\.\d+)?) ?(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)?$/;

/** Milliseconds of `15s`, `1h30m`, `28d`, `0.5s` or `0`; `undefined` when the text is none of these. */
export function parseDuration(text: string): number | undefined {
  if (text === "0") return 0;
  if (text === "") return undefined;
  let totalMs = 0;
  durationPart.lastIndex = 0;
  while (durationPart.lastIndex < text.length) {
    const part = durationPart.exec(text);
    if (!part) return undefined;
    totalMs += Number(part[1]) * durationUnitsMs[part[2] as keyof typeof durationUnitsMs];
  }
  return safeWhole(totalMs);
}

/** Bytes of `20MiB`, `1.5GB`, `512B` or `1048576`; `undefined` when the text is none of these. */
export function parseSize(text: string): number | undefined {
  const match = sizePattern.exec(text);
  if (!match) return undefined;
  const [, amount, unit = "B"] = match;
  return safeWhole(Number(amount) * sizeUnitsBytes[unit as keyof typeof sizeUnitsBytes]);
}

/** The shortest exact form in one unit: 90000 → `90s`, 2419200000 → `28d`. */
export function formatDuration(durationMs: number): string {
  if (durationMs === 0) return "0s";
  for (const unit of ["d", "h", "m", "s"] as const) {
    if (durationMs % durationUnitsMs[unit] === 0) return `${durationMs / durationUnitsMs[unit]}${unit}`;
  }
  return `${durationMs}ms`;
}

/** The shortest exact form in one unit: 20971520 → `20MiB`, 1000 → `1000B`. */
export function formatSize(bytes: number): string {
  if (bytes === 0) return "0B";
  for (const unit of ["TiB", "GiB", "MiB", "KiB"] as const) {
    if (bytes % binaryUnits[unit] === 0) return `${bytes / binaryUnits[unit]}${unit}`;
  }
  return `${bytes}B`;
}

function safeWhole(amount: number): number | undefined {
  const whole = Math.round(amount);
  return Number.isSafeInteger(whole) ? whole : undefined;
}
