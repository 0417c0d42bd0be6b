import type { Configure } from "@signalbox/event-store";
import { loadApp as loadWholeApp } from "../../load-app.js";

/** The configure functions of `--app`. @throws {ServerError} `APP_UNUSABLE`. */
export async function loadApp(path: string): Promise<readonly Configure[]> {
  return (await loadWholeApp(path)).configure;
}
