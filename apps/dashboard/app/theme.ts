import {
  Badge,
  Button,
  type CSSVariablesResolver,
  createTheme,
  defaultVariantColorsResolver,
  Paper,
  Table,
  Tabs,
  Tooltip,
} from "@mantine/core";

export const theme = createTheme({
  primaryColor: "indigo",
  primaryShade: { light: 7, dark: 8 },
  defaultRadius: "md",
  fontFamily: "'Inter Variable', system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif",
  fontFamilyMonospace: "ui-monospace, 'SF Mono', 'Cascadia Code', 'Liberation Mono', 'DejaVu Sans Mono', monospace",
  headings: { fontWeight: "650" },
  respectReducedMotion: true,
  colors: {
    // Slate instead of the library's neutral greys: text first, then lines, then grounds.
    dark: [
      "#dde3ec",
      "#a9b4c4",
      "#8b98ab",
      "#65728a",
      "#333e52",
      "#273143",
      "#1b2332",
      "#121926",
      "#0d131e",
      "#080d16",
    ],
  },
  components: {
    Badge: Badge.extend({ defaultProps: { tt: "none", radius: "sm", fw: 600 } }),
    Button: Button.extend({ defaultProps: { fw: 550 } }),
    Paper: Paper.extend({ defaultProps: { shadow: "none" } }),
    Table: Table.extend({ defaultProps: { verticalSpacing: 8, horizontalSpacing: "sm" } }),
    Tabs: Tabs.extend({ defaultProps: { keepMounted: false } }),
    Tooltip: Tooltip.extend({ defaultProps: { openDelay: 250, withArrow: true } }),
  },
  // The library's own pairs of text and ground are below the contrast of WCAG 2.2 AA at small sizes.
  variantColorResolver(input) {
    const colors = defaultVariantColorsResolver(input);
    const name = input.color ?? input.theme.primaryColor;
    if (input.variant !== "light" && input.variant !== "outline") return colors;
    if (!(name in input.theme.colors)) return colors;
    return {
      ...colors,
      ...(name === "gray" && input.variant === "light" ? { background: "var(--app-quiet)" } : {}),
      color: `light-dark(color-mix(in srgb, var(--mantine-color-${name}-9), black 45%), var(--mantine-color-${name}-1))`,
    };
  },
});

export const cssVariables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    "--mantine-color-dimmed": "#566176",
    "--mantine-color-placeholder": "#677285",
    "--mantine-color-text": "#182030",
    "--mantine-color-default-border": "#dfe4ec",
    "--mantine-color-default-hover": "#f3f5f9",
    "--app-ground": "#f6f7fa",
    "--app-card": "#ffffff",
    "--app-quiet": "#e9edf3",
    "--app-code": "#f4f6fa",
    "--app-chart": "var(--mantine-color-indigo-5)",
    "--app-bad": "#cc2f34",
    "--app-good": "#217a3f",
    "--app-warn": "#966000",
    "--app-quiet-mark": "#8f9bb0",
    "--app-lost": "#8f1d22",
    "--app-lost-text": "#ffffff",
  },
  dark: {
    "--mantine-color-dimmed": "var(--mantine-color-dark-1)",
    "--mantine-color-placeholder": "#97a3b6",
    "--mantine-color-text": "var(--mantine-color-dark-0)",
    "--mantine-color-default-border": "#293346",
    "--mantine-color-default-hover": "#1f2838",
    "--mantine-color-anchor": "#91a7ff",
    "--app-ground": "#0d131e",
    "--app-card": "#141c2a",
    "--app-quiet": "#273143",
    "--app-code": "#0f1622",
    "--app-chart": "var(--mantine-color-indigo-4)",
    "--app-bad": "#f0595e",
    "--app-good": "#43b56b",
    "--app-warn": "#f0ab33",
    "--app-quiet-mark": "#65728a",
    "--app-lost": "#f0898d",
    "--app-lost-text": "#2a0608",
  },
});
