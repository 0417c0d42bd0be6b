import { refuseOldNode } from "./node-version.mjs";

refuseOldNode();
// Imported after the check: the rest uses what older versions cannot parse.
void import("./test-everything.mjs");
