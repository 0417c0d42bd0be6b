import { errorMessage, type Metrics, noMetrics, systemClock } from "@signalbox/kernel";
import { type Client, createClientOn } from "./client.js";
import { consoleLogger } from "./console-logger.js";
import { createContexts } from "./contexts.js";
import { createDelivery } from "./delivery.js";
import { ExperienceSdkError } from "./errors.js";
import { createHttpTransport } from "./http-transport.js";
import { injectJob, jobCandidates } from "./job-carrier.js";
import { fixedExperiences, type KnownExperiences } from "./known-experiences.js";
import { createLocalCounts } from "./local-counts.js";
import { createNodePlatform, nodeSigning } from "./node-platform.js";
import { type ClientOptions, checkOptions, type Settings } from "./options.js";
import { metricsOn } from "./prometheus.js";
import { readDefinitionFiles, readDefinitionsInCode } from "./read-definitions.js";
import { createRecorder } from "./recorder.js";
import { createRemoteDefinitions } from "./remote-definitions.js";
import { createSigner } from "./signature.js";
import { openSpool, type Spool } from "./spool.js";
import { createTokenSource, type TokenSource } from "./token-source.js";
import { createWarnOnce, type WarnOnce } from "./warn-once.js";

/**
 * Makes a client. Definitions in a folder are read before it returns.
 * @throws {ExperienceSdkError} `EXPERIENCE_OPTIONS_INVALID` naming the option
 */
export function createClient(options: ClientOptions): Client {
  const settings = checkOptions(options);
  const { mode, strict, limits, baseUrl } = settings;
  const logger = (options.logger ?? consoleLogger).child("experience-sdk");
  const warn = createWarnOnce(logger);
  const clock = options.clock ?? systemClock;
  const platform = createNodePlatform(clock);
  if (baseUrl !== undefined && options.token === undefined && options.tokenProvider === undefined && !options.transport)
    warn(
      "no token",
      "neither `token` nor `tokenProvider` is given, and the experience tracker takes nothing without one",
    );
  const metrics: Metrics = options.registry ? metricsOn(options.registry) : (options.metrics ?? noMetrics);
  const token = createTokenSource(options.token, options.tokenProvider);
  const random = options.random ?? Math.random;
  const definitions = openDefinitions(options, settings, { token, warn, random });
  const transport = options.transport ?? (baseUrl === undefined ? undefined : createHttpTransport(baseUrl));
  const delivery = createDelivery({
    transport: mode === "local" ? undefined : transport,
    type: options.type,
    definitions,
    limits,
    clock,
    token,
    random,
    warn,
    metrics,
    spool: openSpoolOf(options, platform.newUlid, warn),
  });
  const recorder = createRecorder({
    platform,
    strict,
    warn,
    drops: delivery.drops,
    enqueue: delivery.enqueue,
    onQueued: delivery.onQueued,
    local:
      mode === "tracker"
        ? undefined
        : createLocalCounts({ metrics, logger, prefix: settings.localMetricPrefix, type: options.type }),
  });
  delivery.onClose(() => recorder.close());
  const distributed = mode !== "local";
  return createClientOn({
    platform,
    definitions,
    recorder,
    signer: createSigner(nodeSigning, options.signingKeys, options.requireSigned ?? false),
    warn,
    strict,
    enabled: options.enabled ?? (() => true),
    runName: settings.runName,
    contexts: createContexts({ platform, correlationFormat: options.correlationFormat ?? "ulid", distributed }),
    distributed,
    jobs: { inject: injectJob, candidates: jobCandidates },
    delivery,
  });
}

/** @throws {ExperienceSdkError} `EXPERIENCE_OPTIONS_INVALID` when the directory cannot be made */
function openSpoolOf({ spoolDir, mode }: ClientOptions, newUlid: () => string, warn: WarnOnce): Spool | undefined {
  if (spoolDir === undefined || mode === "local") return undefined;
  try {
    return openSpool({ directory: spoolDir, newUlid, warn });
  } catch (cause) {
    throw new ExperienceSdkError("EXPERIENCE_OPTIONS_INVALID", {
      cause,
      message: `The option \`spoolDir\` must name a folder that can be written: ${errorMessage(cause)}`,
      details: { option: "spoolDir" },
    });
  }
}

function openDefinitions(
  { definitions = "remote", clock = systemClock }: ClientOptions,
  { baseUrl, limits }: Settings,
  { token, warn, random }: { readonly token: TokenSource; readonly warn: WarnOnce; readonly random: () => number },
): KnownExperiences {
  if (typeof definitions !== "string") return fixedExperiences(readDefinitionsInCode(definitions));
  if (definitions !== "remote" || baseUrl === undefined)
    return fixedExperiences(readDefinitionFiles(definitions, warn));
  const { requestTimeoutMs } = limits;
  return createRemoteDefinitions({ baseUrl, token, clock, random, requestTimeoutMs, warn });
}
