/** A row of bars, one for each part of the time; its text says what the bars show. */
export function Sparkline({
  values,
  label,
  width = 96,
  height = 24,
  stretch = false,
  color = "var(--app-chart)",
  overlay,
  most,
}: {
  readonly values: readonly number[];
  /** A part of each value, drawn in front of it in the colour of what is bad. */
  readonly overlay?: readonly number[];
  /** What a bar of full height stands for. Default: the largest of the values. */
  readonly most?: number;
  readonly label: string;
  readonly width?: number;
  readonly height?: number;
  /** As wide as there is room. */
  readonly stretch?: boolean;
  readonly color?: string;
}) {
  const max = most ?? Math.max(1, ...values);
  const step = width / Math.max(1, values.length);
  const bars = (of: readonly number[], fill: string) =>
    of.map((value, index) => {
      if (value === 0) return null;
      const bar = Math.max(2, (value / max) * (height - 1));
      return (
        <rect
          // biome-ignore lint/suspicious/noArrayIndexKey: a bar is its place in time.
          key={`${fill}.${index}`}
          x={index * step + step * 0.1}
          y={height - bar}
          width={Math.max(1, step * 0.8)}
          height={bar}
          rx={stretch ? 0 : 1}
          fill={fill}
        />
      );
    });
  return (
    <svg
      width={stretch ? "100%" : width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
      style={{ display: "block" }}
    >
      <title>{label}</title>
      <line x1={0} x2={width} y1={height - 0.5} y2={height - 0.5} stroke="var(--mantine-color-default-border)" />
      {bars(values, color)}
      {overlay && bars(overlay, "var(--app-bad)")}
    </svg>
  );
}
