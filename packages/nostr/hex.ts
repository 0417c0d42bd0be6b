const hex32Pattern = /^[0-9a-f]{64}$/;
const hex64Pattern = /^[0-9a-f]{128}$/;

/** 32 bytes as lower-case hex: an event id or a public key. */
export function isHex32(text: unknown): text is string {
  return typeof text === "string" && hex32Pattern.test(text);
}

/** 64 bytes as lower-case hex: a signature. */
export function isHex64(text: unknown): text is string {
  return typeof text === "string" && hex64Pattern.test(text);
}
