import type { Clock, Logger } from "@signalbox/kernel";
import type { Signer } from "@signalbox/nostr";
import type { EventIntake } from "../accept-event.js";
import type { RelayEvents } from "../store/port.js";
import type { SharedBacklog } from "./backlog.js";
import type { PeerIntake } from "./intake.js";
import type { SyncConfig } from "./options.js";
import type { Peer } from "./peer.js";
import type {
  HealthTracker,
  InformationSource,
  NaughtyList,
  PeerUrl,
  Random,
  RejectedIndex,
  SocketFactory,
  SyncJourneys,
} from "./ports.js";
import type { Presence } from "./presence.js";
import type { SelfSubscription } from "./self-subscription.js";
import type { Certificate, SyncLayer, SyncObserver } from "./snapshot.js";

/** What all peers share. */
export interface PeerContext {
  readonly config: SyncConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly sockets: SocketFactory;
  readonly information: InformationSource;
  readonly health: HealthTracker;
  readonly naughty: NaughtyList;
  readonly rejected: RejectedIndex;
  readonly events: RelayEvents;
  readonly intake: EventIntake;
  readonly peerIntake: PeerIntake;
  readonly backlog: SharedBacklog;
  readonly observer: SyncObserver;
  readonly journeys: SyncJourneys;
  readonly presence: Presence;
  readonly signer: Signer;
  readonly logger: Logger;
  /** What is stored, and how much of it has been turned into wishes. */
  readonly stored: Pick<SelfSubscription, "position" | "isFlushed">;
  /** What is remembered of the peer changed. */
  onChanged(peer: Peer): void;
  /** The peer turned out to be this relay. */
  onOurselves(peer: Peer): void;
  saveCertificate(url: PeerUrl, layer: SyncLayer, certificate: Certificate): void;
}
