import { isScope, mintToken, openTokenKey, type Scope, scopes } from "@signalbox/http";
import { nearestName, parseDuration, systemClock } from "@signalbox/kernel";
import { type Command, InvalidArgumentError } from "commander";
import { dataPaths, withDatabase } from "../stores.js";
import { type IssuedToken, listTokens, recordToken, revokeToken } from "../tokens.js";
import {
  addConfigOptions,
  addJsonOption,
  type ConfigOptions,
  defineCommand,
  formatTime,
  type JsonOption,
  parseId,
  readCommandConfig,
  type Terminal,
  table,
} from "./command.js";

type Options = ConfigOptions & JsonOption;

interface CreateOptions extends Options {
  readonly scope: readonly Scope[];
  readonly project?: readonly number[];
  readonly ttl: number;
  readonly name?: string;
}

const longestTtlMs = 365 * 86_400_000;
