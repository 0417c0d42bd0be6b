import { useMediaQuery } from "@mantine/hooks";

/** Whether the window is a phone's, as `wide-only` and `narrow-only` of the style sheet mean it. */
export function useIsNarrow(): boolean {
  return useMediaQuery("(max-width: 47.99em)", false, { getInitialValueInEffect: false });
}
