export {
  type Address,
  addressOf,
  compareNewestFirst,
  formatAddress,
  isNewerVersion,
  parseAddress,
  repositoryAddress,
} from "./address.js";
export {
  type Announcement,
  type CloneTarget,
  isIdentifier,
  listsService,
  type ReadAnnouncement,
  readAnnouncement,
  readCloneUrl,
  validMaintainers,
} from "./announcement.js";
export { type Deletion, readDeletion } from "./deletion.js";
export { NostrError, type NostrErrorCode, nostrErrors } from "./errors.js";
export {
  type EventTemplate,
  encodeEvent,
  type NostrEvent,
  type ReadEvent,
  readEvent,
  type Tag,
  type UnsignedEvent,
  type VerifiedEvent,
} from "./event.js";
export { eventId, hasRightId, serialiseEvent } from "./event-id.js";
export {
  countFilterValues,
  encodeFilter,
  type Filter,
  type FilterJson,
  matchesFilter,
  matchesNothing,
  type ReadFilter,
  readFilter,
} from "./filter.js";
export { isHex32, isHex64 } from "./hex.js";
export { decodeNpub, encodeNpub, encodeNsec, newSecretKey, readPublicKey, readSecretKey } from "./keys.js";
export { classOfKind, isRootKind, type KindClass, kinds } from "./kinds.js";
export { type AuthorityMode, latestState, type MaintainerSet, maintainerSet } from "./maintainers.js";
export { createItemSetBuilder, type ItemSet, type ItemSetBuilder } from "./negentropy/item-set.js";
export {
  createNegentropyInitiator,
  createNegentropyResponder,
  type NegentropyInitiator,
  type NegentropyOptions,
  type NegentropyResponder,
  type Reconciled,
  readNegentropyHex,
} from "./negentropy/reconcile.js";
export { commitOf, isPullRequestKind } from "./pull-request.js";
export { isBranchOrTag, isObjectId, isRefName } from "./ref-name.js";
export { type References, readReferences } from "./references.js";
export {
  isSameService,
  normaliseRelayUrl,
  readServiceAddress,
  type ServiceAddress,
  serviceAddressOf,
} from "./relay-url.js";
export {
  createSigner,
  hasRightSignature,
  isSignature,
  markVerified,
  type SignatureParts,
  type Signer,
  verifyEvent,
} from "./signature.js";
export { type ReadState, type RepositoryState, readState } from "./state.js";
export {
  embedsProtected,
  expirationOf,
  firstTag,
  indexedTags,
  isProtected,
  tagValue,
  tagValues,
} from "./tags.js";
