export interface PastedId {
  /** It may name a journey. */
  readonly correlation: boolean;
  readonly domainEvent: boolean;
  readonly errorEvent: boolean;
  readonly npub: boolean;
}

const ulid = /^[0-7][0-9a-hjkmnp-tv-z]{25}$/i;
const uuid = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;
const npub = /^npub1[02-9ac-hj-np-z]{58}$/;

/** What a text may name by its form. One form may stand for several things. */
export function readPastedId(text: string): PastedId {
  const isUlid = ulid.test(text);
  const isUuid = uuid.test(text);
  return { correlation: isUlid || isUuid, domainEvent: isUlid, errorEvent: isUuid, npub: npub.test(text) };
}
