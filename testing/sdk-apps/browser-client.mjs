import { createClient } from "@signalbox/experience-sdk";

// A page that makes a client and keeps it: all of its calls are in the build.
Reflect.set(globalThis, "client", createClient(Reflect.get(globalThis, "options")));
