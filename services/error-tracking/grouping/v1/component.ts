import { hash } from "node:crypto";
import type { Component } from "../grouping.js";

/** A leaf. Text that is missing or empty never contributes. */
export function leaf(
  name: string,
  token: string | undefined,
  options: { original?: string | undefined } = {},
): Component {
  if (token === undefined || token === "") return { name, contributes: false, hint: "absent" };
  const original = options.original === token ? undefined : options.original;
  return { name, contributes: true, token, original };
}

/** A leaf that was seen and left out. */
export function ignored(name: string, original: string | undefined, hint: string): Component {
  return { name, contributes: false, hint, original };
}

/** An inner node: it contributes when one of its parts does. */
export function node(name: string, parts: readonly Component[]): Component {
  return { name, contributes: parts.some((part) => part.contributes), parts };
}

/** The same node, shown but not counted. */
export function without(component: Component, hint: string): Component {
  return component.contributes ? { ...component, contributes: false, hint } : component;
}

/** Tokens of everything that contributes, in order. */
export function tokensOf(component: Component, into: string[] = []): string[] {
  if (!component.contributes) return into;
  if (component.token !== undefined) into.push(component.token);
  for (const part of component.parts ?? []) tokensOf(part, into);
  return into;
}

/** 32 hex digits over the tokens. Each is preceded by its length, so that no two lists of tokens give one input. */
export function hashTokens(tokens: readonly string[]): string {
  let input = "sb1";
  for (const token of tokens) input += `${Buffer.byteLength(token)}:${token}`;
  return hash("sha256", input).slice(0, 32);
}
