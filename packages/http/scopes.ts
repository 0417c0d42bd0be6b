import { HttpProblem } from "./problems.js";

/** Everything a token can be allowed to do. */
export const scopes = [
  "experience:write",
  "experience:read",
  "experience:read_meta",
  "experience:admin",
  "errors:read",
  "errors:write",
  "errors:admin",
  "events:read",
  "events:admin",
  "relay:read",
  "relay:admin",
  "timeline:read",
  "admin",
] as const;

export type Scope = (typeof scopes)[number];

const knownScopes: ReadonlySet<string> = new Set(scopes);

export function isScope(text: string): text is Scope {
  return knownScopes.has(text);
}

/** Who sends a request, and what the token allows. */
export interface Principal {
  readonly subject: string;
  /** Issuer of the token; `signalbox` for our own. */
  readonly issuer: string;
  readonly scopes: ReadonlySet<Scope>;
  /** Ids of the projects that the token is narrowed to; absent: all. */
  readonly projects?: readonly number[];
  /** Experience ids that a producer's token is narrowed to, a final `*` matches any rest; absent: all. */
  readonly experiences?: readonly string[];
  /** Experience types that a producer's token is narrowed to; absent: all. */
  readonly experienceTypes?: readonly string[];
  readonly tokenId: string;
  readonly expiresAtMs: number;
  /** All verified claims of the token, for what only one system reads. */
  readonly claims?: Readonly<Record<string, unknown>>;
}

/** What belongs to projects: of a token that is narrowed to some, `admin` brings these alone. */
const projectScopes: ReadonlySet<Scope> = new Set(["errors:read", "errors:write", "errors:admin", "timeline:read"]);

/** Scopes that a wider scope of the same system brings along; `admin` brings all, unless the token is narrowed. */
const includedScopes: Readonly<Partial<Record<Scope, readonly Scope[]>>> = {
  "experience:admin": ["experience:read", "experience:read_meta"],
};

/** Whether the token has `scope`, itself or by a wider one. */
export function hasScope(principal: Principal, scope: Scope): boolean {
  if (principal.scopes.has("admin") && (!isNarrowedAdmin(principal) || projectScopes.has(scope))) return true;
  if (scope === "admin") return false;
  if (principal.scopes.has(scope)) return true;
  for (const held of principal.scopes) if (includedScopes[held]?.includes(scope)) return true;
  return false;
}

/** Whether the token has `admin` for some projects only. */
export function isNarrowedAdmin({ scopes: held, projects }: Principal): boolean {
  return projects !== undefined && held.has("admin");
}

/** What the token allows, a narrowed `admin` as the scopes that it brings. */
export function allowedScopes(principal: Principal): readonly Scope[] {
  if (!isNarrowedAdmin(principal)) return [...principal.scopes];
  return scopes.filter((scope) => hasScope(principal, scope));
}

export function allowsProject(principal: Principal, projectId: number): boolean {
  return principal.projects === undefined || principal.projects.includes(projectId);
}

/** @throws {HttpProblem} 403 `insufficient_scope` when the token is narrowed to other projects. */
export function requireProject(principal: Principal, projectId: number): void {
  if (!allowsProject(principal, projectId))
    throw new HttpProblem("insufficient_scope", { detail: "The token is narrowed to other projects." });
}

export function allowsExperience(principal: Principal, experienceId: string, experienceType: string): boolean {
  const { experiences, experienceTypes } = principal;
  if (experienceTypes !== undefined && !experienceTypes.includes(experienceType)) return false;
  return experiences === undefined || experiences.some((pattern) => matches(pattern, experienceId));
}

function matches(pattern: string, text: string): boolean {
  return pattern.endsWith("*") ? text.startsWith(pattern.slice(0, -1)) : pattern === text;
}

/** @throws {HttpProblem} 403 `insufficient_scope` when the token is narrowed to other experiences or types. */
export function requireExperience(principal: Principal, experienceId: string, experienceType: string): void {
  if (!allowsExperience(principal, experienceId, experienceType))
    throw new HttpProblem("insufficient_scope", { detail: "The token is narrowed to other experiences." });
}
