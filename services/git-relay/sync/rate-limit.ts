/** Whether a NOTICE says that we ask too much. */
export function isRateLimitNotice(text: string): boolean {
  const lower = text.toLowerCase();
  return (
    (lower.includes("rate") && lower.includes("limit")) ||
    ["too many", "slow down", "throttl"].some((words) => lower.includes(words))
  );
}

/** Whether a CLOSED or an OK refuses us because we ask too much. */
export function isRateLimitRefusal(reason: string): boolean {
  return reason.startsWith("rate-limited:");
}
