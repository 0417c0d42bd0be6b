import { type Client, createClient, type Experience } from "@signalbox/experience-sdk";
import { noJourneys, type SyncJourney, type SyncJourneys } from "@signalbox/git-relay";
import { createTokenKey, mintToken } from "@signalbox/http";
import { type Clock, createService, type Logger, type Service } from "@signalbox/kernel";

export interface SyncJourneyOptions {
  /** Address of the tracker; asked for at the first journey. */
  endpoint(): string;
  /** Of the key that signs the server's tokens. */
  readonly dataDirectory: string;
  /** That the server's own tokens are for. */
  readonly audience: string;
  /** Where checkpoints wait that could not be sent before the end. */
  readonly spoolDirectory: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

const experience = "signalbox_relay_historic_sync";
const tokenLifetimeMs = 3_600_000;
const shutdownMs = 2_000;

/** The relay reports its syncs with peers to the tracker as any other producer does. */
export function createSyncJourneys(options: SyncJourneyOptions): {
  readonly journeys: SyncJourneys;
  readonly service: Service;
} {
  const { dataDirectory, spoolDirectory, audience, clock, logger } = options;
  let made: Client | undefined;
  const client = (): Client => {
    made ??= createClient({
      endpoint: options.endpoint(),
      tokenProvider: async () => {
        const key = await createTokenKey(dataDirectory);
        const { token } = await mintToken(key, {
          subject: "git-relay",
          scopes: ["experience:write"],
          lifetimeMs: tokenLifetimeMs,
          audience,
        });
        return token;
      },
      type: "relay",
      // Nothing but what every server knows.
      definitions: {},
      environment: "production",
      spoolDir: spoolDirectory,
      clock,
      logger,
    });
    return made;
  };

  return {
    journeys: {
      begin(sync) {
        // A port that the system is to choose is not chosen yet.
        if (new URL(options.endpoint()).port === "0") return noJourneys.begin(sync);
        const { relay, kind, correlationId } = sync;
        return client().withContext(() => follow(client().start(experience, { relay, kind })), {
          "x-correlation-id": correlationId,
        });
      },
    },
    service: createService({
      name: "journeys of sync",
      start: async () => {},
      stop: async () => void (await made?.shutdown(shutdownMs)),
    }),
  };
}

/** Only the first end counts. */
function follow(journey: Experience): SyncJourney {
  const once = (end: () => void): void => {
    if (journey.state === "active") end();
  };
  return {
    complete: () => once(() => journey.complete()),
    fail: (reason) => once(() => journey.error(new Error(reason)).complete()),
    discard: (reason) => once(() => journey.discard(reason)),
  };
}
