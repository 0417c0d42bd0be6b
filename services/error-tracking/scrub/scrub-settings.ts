/** What a project takes out of its events before they are kept. Plain data: it travels to the threads that digest. */
export interface ScrubSettings {
  readonly enabled: boolean;
  /** Parts of names whose values are taken out, beside the built-in ones. */
  readonly sensitiveNames: readonly string[];
  /** Names whose values are left as they are, in any case. */
  readonly safeNames: readonly string[];
  /** Takes out network addresses as well. */
  readonly addresses: boolean;
  /** Takes out mail addresses as well. */
  readonly emails: boolean;
  readonly rules: readonly ScrubRule[];
}

/** A rule of the project's own: what it looks for, where, and what it makes of it. */
export interface ScrubRule {
  /** What is looked for in texts; absent: the whole value at `path`. */
  readonly find?: { readonly kind: ScrubKind } | { readonly text: string } | undefined;
  /** Where: names joined by `.`, `*` for any one name, `**` for any number of them. Absent: everywhere. */
  readonly path?: string | undefined;
  readonly method: ScrubMethod;
}

export const scrubMethods = ["remove", "replace", "mask", "hash"] as const;
export type ScrubMethod = (typeof scrubMethods)[number];

export const scrubKinds = ["creditcard", "iban", "usssn", "token", "privatekey", "auth", "ip", "email"] as const;
export type ScrubKind = (typeof scrubKinds)[number];

export const defaultScrubSettings: ScrubSettings = {
  enabled: true,
  sensitiveNames: [],
  safeNames: [],
  addresses: false,
  emails: false,
  rules: [],
};
