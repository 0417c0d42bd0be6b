import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

test("a sleep that is waited for keeps the process alive, a timer does not", () => {
  expect(output("await systemClock.sleep(50); console.log('slept');")).toBe("slept\n");
  expect(output("systemClock.setTimer(60_000, () => {}); console.log('over');")).toBe("over\n");
});

/** What a process of its own prints until it ends by itself. */
function output(work: string): string {
  const clockModule = fileURLToPath(new URL("./clock.ts", import.meta.url));
  const program = `import { systemClock } from ${JSON.stringify(clockModule)}; ${work}`;
  return execFileSync(process.execPath, ["--import", "tsx", "--input-type=module", "--eval", program], {
    encoding: "utf8",
    timeout: 30_000,
  });
}
