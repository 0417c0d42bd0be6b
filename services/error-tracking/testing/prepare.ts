import type { PrepareOptions } from "../digest/prepare-event.js";
import { defaultProjectSettings, prepareOptionsOf } from "../projects/project-settings.js";
import type { RecordOptions } from "../store/record-events.js";

/** A project that changed nothing, on an instance that changed nothing. */
export const defaultOptions: PrepareOptions = prepareOptionsOf(defaultProjectSettings, {
  groupingVersion: 1,
  retentionDays: 90,
});

/** For tests that do not look at explanations. */
export const unexplained: RecordOptions = { explain: () => "{}" };
