import type { ScrubSettings } from "./scrub-settings.js";

/** Names that hold one of these in any spelling name a secret. */
const secretParts = [
  "password",
  "passwd",
  "secret",
  "api_key",
  "apikey",
  "credentials",
  "mysql_pwd",
  "privatekey",
  "private_key",
  "token",
  "bearer",
  "csrf",
  "xsrf",
  "card_number",
];

/** These do as words of their own: `author` is no secret. */
const secretWords = new Set(["auth", "authorization", "authentication", "cookie", "session"]);

/** Parts of cookie names that usually hold a way into somebody's account. */
const secretCookieParts = ["sess", "sid", "jwt"];

export interface NameRules {
  isSensitive(name: string): boolean;
  isSensitiveCookie(name: string): boolean;
  isSafe(name: string): boolean;
}

/** Names repeat from event to event; looking one up is much faster than taking it apart. */
const maxRemembered = 5000;

export function createNameRules({ sensitiveNames, safeNames }: ScrubSettings): NameRules {
  const parts = [...secretParts, ...sensitiveNames.map(plain).filter((part) => part !== "")];
  const safe = new Set(safeNames.map(plain));
  const known = new Map<string, boolean>();

  const decide = (name: string): boolean => {
    if (safe.has(plain(name))) return false;
    const spellings = [plain(name), plain(splitWords(name))];
    if (parts.some((part) => spellings.some((spelling) => spelling.includes(part)))) return true;
    return splitWords(name)
      .toLowerCase()
      .split(/[^a-z0-9]+/)
      .some((word) => secretWords.has(word));
  };

  const isSensitive = (name: string): boolean => {
    const before = known.get(name);
    if (before !== undefined) return before;
    const decided = decide(name.slice(0, 1000));
    if (known.size >= maxRemembered) known.clear();
    known.set(name, decided);
    return decided;
  };

  return {
    isSensitive,
    isSensitiveCookie: (name) =>
      isSensitive(name) || (!safe.has(plain(name)) && secretCookieParts.some((part) => plain(name).includes(part))),
    isSafe: (name) => safe.size > 0 && safe.has(plain(name)),
  };
}

/** Spellings that mean the same are equal. */
function plain(name: string): string {
  return name.trim().toLowerCase().replaceAll("-", "_");
}

/** `cardNumber` as `card_Number`. */
function splitWords(name: string): string {
  return name.replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2");
}
