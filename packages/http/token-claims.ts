import type { JWTPayload } from "jose";
import { isScope, type Principal, type Scope } from "./scopes.js";
import { TokenRefusal } from "./token-refusal.js";

/**
 * The principal of verified claims. Narrowing that cannot be read refuses the token: it must never widen one.
 * @throws {TokenRefusal} `claims_invalid`.
 */
export function toPrincipal(payload: JWTPayload, issuer: string, scopes: readonly Scope[], tokenId: string): Principal {
  const { sub, exp } = payload;
  if (typeof sub !== "string" || sub === "" || typeof exp !== "number") throw new TokenRefusal("claims_invalid");
  const projects = listClaim(payload, "projects", isProjectId);
  const experiences = listClaim(payload, "experiences", isText) ?? listClaim(payload, "experience_ids", isText);
  const experienceTypes = listClaim(payload, "experience_types", isText);
  return Object.freeze({
    subject: sub,
    issuer,
    scopes: new Set(scopes),
    tokenId,
    expiresAtMs: exp * 1000,
    claims: payload,
    ...(projects ? { projects } : {}),
    ...(experiences ? { experiences } : {}),
    ...(experienceTypes ? { experienceTypes } : {}),
  });
}

function listClaim<Item>(payload: JWTPayload, name: string, is: (value: unknown) => value is Item): Item[] | undefined {
  const value: unknown = payload[name];
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || !value.every(is)) throw new TokenRefusal("claims_invalid");
  return value;
}

function isProjectId(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

/** How an issuer says what its tokens allow. */
export interface ScopeClaim {
  /** Name of the claim, or its path with dots (`realm_access.roles`). */
  readonly claim: string;
  /** From values of the claim to scopes; without it, values that are scopes are taken as they are. */
  readonly mapping?: Readonly<Record<string, readonly Scope[]>>;
}

/** The scopes in `payload`; values that mean nothing here are left out. */
export function readScopes(payload: JWTPayload, { claim, mapping }: ScopeClaim): Scope[] {
  const values = valuesOf(claimAt(payload, claim));
  if (mapping === undefined) return values.filter(isScope);
  return values.flatMap((value) => (Object.hasOwn(mapping, value) ? (mapping[value] ?? []) : []));
}

function claimAt(payload: JWTPayload, path: string): unknown {
  if (Object.hasOwn(payload, path)) return payload[path];
  let value: unknown = payload;
  for (const step of path.split(".")) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) return undefined;
    value = Object.getOwnPropertyDescriptor(value, step)?.value;
  }
  return value;
}

function valuesOf(value: unknown): string[] {
  if (typeof value === "string") return value.split(" ").filter((part) => part !== "");
  return Array.isArray(value) ? value.filter(isText) : [];
}
