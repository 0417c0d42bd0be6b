import { type Client, createClientOn } from "../client.js";
import { fixedExperiences } from "../known-experiences.js";
import { createRecorder } from "../recorder.js";
import { createWarnOnce } from "../warn-once.js";
import { joinPage } from "./correlation-tagger.js";
import { createPageTransport } from "./http-transport.js";
import { checkOptions, type PageClientOptions } from "./options.js";
import { pageClock } from "./page-clock.js";
import { createPageDelivery } from "./page-delivery.js";
import { watchPage } from "./page-events.js";
import { createPagePlatform } from "./page-platform.js";
import { readDefinitions } from "./read-definitions.js";
import { createPageTokenSource } from "./token-source.js";

/** It shows errors by itself. */
const browserConsole = {
  warn: (message: string, ...fields: unknown[]) => console.warn(`[experience-sdk] ${message}`, ...fields),
};

/**
 * Makes the client of a page. It has the calls of the one for Node; as a page has one context for everything, `get(id)`
 * gives the journey of this id that was started last, and handles are passed on where several are under way.
 * @throws {ExperienceSdkError} `EXPERIENCE_OPTIONS_INVALID` naming the option
 */
export function createClient(options: PageClientOptions): Client {
  const { baseUrl, type, strict, runName, limits } = checkOptions(options);
  const definitions = fixedExperiences(readDefinitions(options.definitions));
  const warn = createWarnOnce(options.logger?.child("experience-sdk") ?? browserConsole);
  if (options.token === undefined && !options.tokenProvider && !options.transport)
    warn("no token", "there is no token: the experience tracker refuses checkpoints");
  const platform = createPagePlatform(options.clock ?? pageClock);
  const { clock, newUlid } = platform;
  const page = watchPage({ onLeave: () => delivery.leave(), onReturn: () => delivery.lookForKept() });
  const { isHidden } = page;
  const delivery = createPageDelivery({
    transport: options.transport ?? createPageTransport(baseUrl, isHidden),
    type,
    definitions,
    limits,
    clock,
    token: createPageTokenSource(options.token, options.tokenProvider, isHidden),
    random: options.random ?? Math.random,
    warn,
    spool:
      options.spool === false
        ? undefined
        : {
            openStorage: () => localStorage,
            endpoint: options.endpoint.replace(/\/+$/, ""),
            newUlid,
            clock,
          },
    isHidden,
  });
  const recorder = createRecorder({ ...delivery, platform, strict, warn, local: undefined, onQueued() {} });
  const leavePage = joinPage(platform.page);
  return createClientOn({
    platform,
    contexts: platform.contexts,
    definitions,
    recorder,
    signer: { sign: () => undefined, accepts: () => true },
    warn,
    strict,
    enabled: options.enabled ?? (() => true),
    runName,
    distributed: true,
    lastStarted: new Map(),
    delivery: {
      ...delivery,
      async shutdown(timeoutMs) {
        const flushed = await delivery.shutdown(timeoutMs);
        recorder.close();
        page.stop();
        leavePage();
        return flushed;
      },
      // A page has no exit of its own: what its end takes is done whenever it is hidden.
      installExitHooks() {},
    },
  });
}
