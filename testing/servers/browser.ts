import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrowserContext, chromium, type Page } from "playwright-core";
import { findServer } from "./find-server.js";

const flags = [
  ...["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
  ...["--disable-component-update", "--disable-sync"],
];

export interface BrowserOptions {
  readonly colorScheme?: "light" | "dark";
  readonly width?: number;
}

/** A Chromium of its own, with nothing remembered. */
export interface TestBrowser {
  readonly page: Page;
  readonly context: BrowserContext;
  /** What scripts threw and what the console reported as an error. */
  readonly complaints: readonly string[];
  close(): Promise<void>;
}

export async function startBrowser({ colorScheme = "light", width = 1280 }: BrowserOptions = {}): Promise<TestBrowser> {
  const executablePath = findServer("chromium");
  if (executablePath === undefined) throw new Error("There is no chromium on this machine.");
  const profile = mkdtempSync(join(tmpdir(), "signalbox-chromium-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    headless: true,
    args: flags,
    colorScheme,
    viewport: { width, height: 900 },
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  return {
    page,
    context,
    complaints,
    async close() {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}
