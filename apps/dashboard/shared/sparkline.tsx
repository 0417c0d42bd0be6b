/** A row of bars, one for each part of the time; its text says what the bars show. */
export function Sparkline({
  values,
  label,
  width = 96,
  height = 24,
}: {
  readonly values: readonly number[];
  readonly label: string;
  readonly width?: number;
  readonly height?: number;
}) {
  const max = Math.max(1, ...values);
  const step = width / Math.max(1, values.length);
  return (
    <svg width={width} height={height} role="img" aria-label={label} style={{ display: "block" }}>
      <title>{label}</title>
      {values.map((value, index) => {
        const bar = value === 0 ? 1 : Math.max(2, (value / max) * height);
        return (
          <rect
            // biome-ignore lint/suspicious/noArrayIndexKey: a bar is its place in time.
            key={index}
            x={index * step}
            y={height - bar}
            width={Math.max(1, step - 1)}
            height={bar}
            rx={1}
            fill={value === 0 ? "var(--mantine-color-default-border)" : "var(--mantine-primary-color-filled)"}
          />
        );
      })}
    </svg>
  );
}
