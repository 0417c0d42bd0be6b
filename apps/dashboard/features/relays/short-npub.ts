/** Enough of a key to recognise it. */
export function shortNpub(npub: string): string {
  return npub.length <= 18 ? npub : `${npub.slice(0, 10)}…${npub.slice(-4)}`;
}
