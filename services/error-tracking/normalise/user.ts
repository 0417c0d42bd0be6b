import { isIP } from "node:net";
import type { User } from "../digest/error-event.js";
import { at, note, type Place } from "./notes.js";
import { keepUnknown, object, type Sent, text } from "./values.js";

/** Platforms whose SDKs run on the user's own device and leave the address to the server. */
const addressFromConnection = new Set(["javascript", "cocoa"]);

/** The address that a report came from, and whether it is the user's. */
export interface Connection {
  readonly clientAddress: string | undefined;
  /** What the SDK was set to: `auto` and `never` are said by newer ones, the others say nothing. */
  readonly inferAddress: unknown;
}

/**
 * Who was affected. `{{auto}}` as address means the address that the report came from; client-side platforms mean it
 * by leaving the address out. An SDK that is set to tell nothing personal says that it never is.
 */
export function normaliseUser(
  raw: Sent,
  platform: string,
  { clientAddress, inferAddress }: Connection,
  root: Place,
): User | undefined {
  const sent = object(raw, root, "user");
  const place = at(root, "user");
  const sentAddress = text(sent?.["ip_address"], place, "ip_address", 64);
  const named = sentAddress === "{{auto}}" ? undefined : sentAddress;
  const isMeant = sentAddress === "{{auto}}" || inferAddress === "auto" || addressFromConnection.has(platform);
  const address = named ?? (isMeant && inferAddress !== "never" ? clientAddress : undefined);
  const user: User = {
    id: text(sent?.["id"], place, "id", 256),
    username: text(sent?.["username"], place, "username", 256),
    email: text(sent?.["email"], place, "email", 256),
    ip_address: address !== undefined && isIP(address) !== 0 ? address : undefined,
  };
  if (address !== undefined && user.ip_address === undefined) note(place, "invalid_data", "ip_address", address);
  if (sent !== undefined) keepUnknown(user, sent, userKeys);
  return Object.values(user).some((value) => value !== undefined) ? user : undefined;
}

/**
 * What tells users apart: the first of id, name, mail address, network address. Where a project keeps no addresses,
 * nothing that could be led back to one is kept either.
 */
export function userIdentity(
  user: User | undefined,
  { addresses: withoutAddress }: { readonly addresses: boolean } = { addresses: false },
): string | undefined {
  if (user?.id !== undefined) return `id:${user.id}`;
  if (user?.username !== undefined) return `username:${user.username}`;
  if (user?.email !== undefined) return `email:${user.email}`;
  return user?.ip_address === undefined || withoutAddress ? undefined : `ip:${user.ip_address}`;
}

const userKeys = new Set(["id", "username", "email", "ip_address"]);
