import { join } from "node:path";
import type { Page } from "playwright-core";
import { startBrowser } from "../servers/browser.js";
import type { PageToTake } from "./pages.js";

export interface Looks {
  readonly colorScheme: "light" | "dark";
  readonly width: number;
}

export interface Shop {
  readonly url: string;
  readonly token: string;
  readonly folder: string;
}

/** What keeps the page from being whole; a page that is opened before what it shows was recorded may be opened again. */
async function missingOn(page: Page, showing: string | RegExp): Promise<string | undefined> {
  const what = page.getByText(showing).filter({ visible: true }).first();
  const loading = page.locator('[aria-busy="true"]:visible').first();
  try {
    await what.waitFor();
  } catch {
    const text = await page.locator("main").innerText();
    return `does not show ${String(showing)}, but ${JSON.stringify(text.slice(0, 2_000))}`;
  }
  return loading.waitFor({ state: "detached" }).then(
    () => undefined,
    () => "goes on loading",
  );
}

/** Takes each page in one theme and width; the files are called page-theme-width.png. */
export async function takePictures(
  { url, token, folder }: Shop,
  pages: readonly PageToTake[],
  { colorScheme, width }: Looks,
): Promise<readonly string[]> {
  const browser = await startBrowser({ colorScheme, width });
  const { page } = browser;
  const notes: string[] = [];
  try {
    page.setDefaultTimeout(45_000);
    await page.goto(url);
    await page.getByLabel("Token").fill(token);
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    for (const { name, path, showing } of pages) {
      await page.goto(`${url}${path}`);
      let missing = await missingOn(page, showing);
      if (missing !== undefined) {
        await page.reload();
        missing = await missingOn(page, showing);
      }
      if (missing !== undefined) notes.push(`${name} (${colorScheme}, ${width} px) ${missing}`);
      // Charts and the list grow into place.
      await page.waitForTimeout(400);
      const tooWide = await page.evaluate<number>("document.documentElement.scrollWidth - window.innerWidth");
      if (tooWide > 0) notes.push(`${name} (${colorScheme}, ${width} px) is ${tooWide} px wider than the window`);
      await page.screenshot({ path: join(folder, `${name}-${colorScheme}-${width}.png`), fullPage: width < 600 });
    }
    // Before somebody has logged in, the page is refused its session.
    const complaints = browser.complaints.filter((complaint) => !complaint.includes("401"));
    notes.push(...complaints.map((complaint) => `the browser complains: ${complaint}`));
  } finally {
    await browser.close();
  }
  return notes;
}
