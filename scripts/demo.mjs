import { refuseOldNode } from "./node-version.mjs";

// npm run demo: npm start with the example forge in the server, on data of its own.

refuseOldNode();
void import("./start-demo.mjs");
