import { canonicalCorrelationId, currentContext, ulid } from "@signalbox/kernel";
import {
  checkChoice,
  checkFunction,
  checkInteger,
  checkKeys,
  checkList,
  checkObject,
  checkText,
  readGuarded,
} from "./check-options.js";
import { attributeInvalid, type CreateOptions, isKey, readCreateOptions } from "./create-options.js";
import type { DataOf, DeepReadonly, JsonObject, JsonSchema, SchemaInput } from "./data-type.js";
import { EventStoreError, InvalidEvent, NotImplemented } from "./errors.js";
import { type DomainEvent, type EventHome, EventInstance, noExtensions } from "./event.js";
import { copyData, copyOpenData } from "./json-copy.js";
import { type CompiledSchema, compileSchema, type SchemaProblem } from "./schema.js";

/** Between which releases a schema has to stay compatible. */
export type CompatibilityMode = "backward" | "forward" | "full" | "none";
export type LogMode = "all" | "failures" | "off";
export type Upcast = (data: JsonObject) => JsonObject;

export interface Deprecation {
  readonly since: string;
  readonly sunset?: string;
  readonly replacedBy?: string;
}

export interface EventOptions<S extends SchemaInput> {
  /** Shape of the data. Checked and compiled at the first `create`. */
  readonly schema: S;
  /** Rises only for a change that needs an upcaster. Default 1. */
  readonly version?: number;
  readonly description?: string;
  readonly owner?: string;
  readonly category?: string;
  readonly edition?: string;
  /** Feature flag: while it is off, publishing dispatches nothing. */
  readonly flag?: string;
  /** What the event is about; default: the event's id. */
  subject?(data: DataOf<S>): string;
  /** Deliveries with one key are handled in order, one at a time: 1 to 256 characters. */
  key?(data: DataOf<S>): string;
  /** JSON Pointers into the data, `*` for every array item, whose values are kept out of logs. */
  readonly sensitive?: readonly string[];
  /** What is logged of these events. Default `all`. */
  readonly log?: LogMode;
  readonly examples?: readonly DataOf<S>[];
  readonly compatibility?: CompatibilityMode;
  /** `upcast[n]` turns data of version n into version n + 1. */
  readonly upcast?: Readonly<Record<number, Upcast>>;
  readonly deprecated?: Deprecation;
  /** Larger encoded events go to the blob store. Default: the store's limit. */
  readonly maxInlineBytes?: number;
}

/** An event type with its schema. Made once, by `defineEvent`; frozen. */
export interface EventDefinition<D> {
  readonly type: string;
  /** First segment of the type: the module that publishes it. */
  readonly context: string;
  readonly version: number;
  readonly schema: JsonSchema;
  readonly schemaState: "unchecked" | "valid" | "invalid";
  readonly description: string | undefined;
  readonly owner: string | undefined;
  readonly category: string | undefined;
  readonly edition: string | undefined;
  readonly flag: string | undefined;
  readonly sensitive: readonly string[];
  readonly log: LogMode;
  readonly examples: readonly unknown[];
  readonly compatibility: CompatibilityMode | undefined;
  readonly deprecated: Deprecation | undefined;
  readonly maxInlineBytes: number | undefined;
  /** The first version that upcasters can still bring up to the current one. */
  readonly oldestVersion: number;
  /**
   * A new event with a checked, frozen deep copy of `data`.
   * @throws {InvalidEvent} `EVT_SCHEMA_INVALID`, `EVT_DATA_NOT_OBJECT`, `EVT_DATA_NOT_JSON`, `EVT_DATA_INVALID`,
   * `EVT_ATTRIBUTE_INVALID`. @throws {NotImplemented} without a schema.
   */
  create(data: D, options?: CreateOptions): DomainEvent<D>;
  /** True for events of this type made by `create` or by decoding. */
  is(event: unknown): event is DomainEvent<D>;
}

const typePattern = /^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*){1,2}$/;
const maxTypeLength = 120;

/** Event types and subscriber names share one form. */
export function isDottedName(name: unknown): name is string {
  return typeof name === "string" && name.length <= maxTypeLength && typePattern.test(name);
}

/**
 * Defines an event type. The schema is not looked at until the first `create`, so that a module with many definitions
 * loads fast.
 * @throws {InvalidEvent} `EVT_TYPE_INVALID`. @throws {EventStoreError} `EVT_CONFIG_INVALID` for a bad option.
 */
export function defineEvent<const S extends SchemaInput>(
  type: string,
  options: EventOptions<S>,
): EventDefinition<DataOf<S>> {
  if (!isDottedName(type))
    throw new InvalidEvent("EVT_TYPE_INVALID", {
      message: `\`${shownName(type)}\` is not an event type: two or three lower-case words joined by dots, at most ${maxTypeLength} characters`,
    });
  return readGuarded("options", refuse, () => {
    checkEventOptions(options);
    return new Definition<DataOf<S>>(type, options);
  });
}

/** What was given for a name, in a message about it. */
export function shownName(name: unknown): string {
  return typeof name === "string" ? name.slice(0, 200) : typeof name;
}

/** The options without the types that their schema gives them. */
interface AnyEventOptions<D> extends Omit<EventOptions<object>, "schema" | "subject" | "key" | "examples"> {
  readonly schema?: object;
  subject?(data: D): string;
  key?(data: D): string;
  readonly examples?: readonly D[];
}

export class Definition<D> implements EventDefinition<D> {
  readonly type: string;
  readonly context: string;
  readonly version: number;
  readonly schema: JsonSchema;
  readonly description: string | undefined;
  readonly owner: string | undefined;
  readonly category: string | undefined;
  readonly edition: string | undefined;
  readonly flag: string | undefined;
  readonly sensitive: readonly string[];
  readonly log: LogMode;
  readonly examples: readonly unknown[];
  readonly compatibility: CompatibilityMode | undefined;
  readonly deprecated: Deprecation | undefined;
  readonly maxInlineBytes: number | undefined;
  readonly oldestVersion: number;
  readonly #options: AnyEventOptions<D>;
  #compiled: CompiledSchema | undefined;
  #home: EventHome | undefined;

  constructor(type: string, options: AnyEventOptions<D>) {
    this.type = type;
    this.context = type.slice(0, type.indexOf("."));
    this.version = options.version ?? 1;
    // The schema is what its author wrote; as data it is a record of keywords.
    this.schema = (options.schema ?? {}) as JsonSchema;
    this.description = options.description;
    this.owner = options.owner;
    this.category = options.category;
    this.edition = options.edition;
    this.flag = options.flag;
    this.sensitive = Object.freeze([...(options.sensitive ?? [])]);
    this.log = options.log ?? "all";
    this.examples = Object.freeze([...(options.examples ?? [])]);
    this.compatibility = options.compatibility;
    this.deprecated = options.deprecated && Object.freeze({ ...options.deprecated });
    this.maxInlineBytes = options.maxInlineBytes;
    this.oldestVersion = Math.min(this.version, ...Object.keys(options.upcast ?? {}).map(Number));
    this.#options = { ...options };
    Object.freeze(this);
  }

  get schemaState(): "unchecked" | "valid" | "invalid" {
    return this.#compiled?.state ?? "unchecked";
  }

  create(data: D, given?: CreateOptions): DomainEvent<D> {
    const validate = this.#validator();
    const copy = copyOpenData(data);
    const problems = validate(copy);
    if (problems) throw dataInvalid(this.type, problems);
    Object.freeze(copy);

    const home = this.#home;
    const context = currentContext();
    const options = given && readCreateOptions(given);
    const id = options?.id ?? ulid();
    // An id made here has the canonical form already.
    const correlationId = options?.correlationId ?? context.correlationId ?? options?.id;
    const callerId = context.meta?.["caller_id"];
    return new EventInstance<D>(
      {
        id,
        source: options?.source,
        type: this.type,
        version: this.version,
        subject: options?.subject ?? this.#subjectOf(copy) ?? id,
        time: options?.time === undefined ? isoTime((home?.nowMs ?? Date.now)()) : isoTime(Date.parse(options.time)),
        // The copy is frozen at every depth.
        data: copy as DeepReadonly<D>,
        correlationId: correlationId === undefined ? id : canonicalCorrelationId(correlationId),
        causationId: options?.causationId ?? context.causationId ?? null,
        rootCaller: context.rootCaller ?? callerId ?? null,
        traceparent: context.traceparent ?? null,
        tracestate: context.tracestate ?? null,
        key: options?.key ?? this.#keyOrNull(copy),
        sequence: options?.sequence ?? null,
        extensions: options?.extensions ?? noExtensions,
        meta: context.meta && withoutCallerId(context.meta),
        userId: options?.userId ?? context.userId,
        userName: options?.userName ?? context.userName,
        actorId: options?.actorId ?? context.actorId,
        organizationId: options?.organizationId ?? context.organizationId,
      },
      this,
      home,
    );
  }

  is(event: unknown): event is DomainEvent<D> {
    return EventInstance.is(event) && event.type === this.type;
  }

  static is(value: unknown): value is Definition<unknown> {
    return typeof value === "object" && value !== null && #options in value;
  }

  /** Tells the definition which store's source and clock new events get. The last store wins. */
  static settle(definition: Definition<unknown>, home: EventHome): void {
    definition.#home = home;
  }

  static hasKey(definition: Definition<unknown>): boolean {
    return definition.#options.key !== undefined;
  }

  /** @throws whatever the function throws. */
  static keyOf(definition: Definition<unknown>, data: unknown): unknown {
    return definition.#options.key?.(data);
  }

  /**
   * Brings data of an older version up to the current one and checks it.
   * @throws {InvalidEvent} `EVT_DATA_INVALID`, `EVT_SCHEMA_INVALID`; `EVT_UNKNOWN_TYPE` for a version not known here.
   */
  static accept(definition: Definition<unknown>, version: number, data: JsonObject): JsonObject {
    const validate = definition.#validator();
    const current = version === definition.version ? data : definition.#upcast(version, data);
    const problems = validate(current);
    if (problems) throw dataInvalid(definition.type, problems);
    return current;
  }

  /** @throws {InvalidEvent} `EVT_SCHEMA_INVALID` when a version has no way up to the next. */
  static checkUpcasters(definition: Definition<unknown>): void {
    const known = Object.keys(definition.#options.upcast ?? {}).map(Number);
    const first = Math.min(...known, definition.version);
    for (let version = first; version < definition.version; version++) {
      if (!known.includes(version))
        throw new InvalidEvent("EVT_SCHEMA_INVALID", {
          message: `Event ${definition.type} has no upcaster from version ${version} to ${version + 1}`,
          details: { version },
        });
    }
    const beyond = known.find((version) => version >= definition.version);
    if (beyond !== undefined)
      throw new InvalidEvent("EVT_SCHEMA_INVALID", {
        message: `Event ${definition.type} is at version ${definition.version} but has an upcaster from version ${beyond}`,
        details: { version: beyond },
      });
  }

  #upcast(version: number, data: JsonObject): JsonObject {
    let current = data;
    for (let from = version; from < this.version; from++) {
      const upcast = this.#options.upcast?.[from];
      if (!upcast)
        throw new InvalidEvent("EVT_UNKNOWN_TYPE", {
          message: `Version ${version} of event ${this.type} is not known: there is no upcaster from version ${from}`,
          details: { type: this.type, version },
        });
      try {
        current = copyData(upcast(current));
      } catch (error) {
        throw new InvalidEvent("EVT_DATA_INVALID", {
          message: `Data for event ${this.type} could not be brought from version ${from} to ${from + 1}`,
          cause: error,
          details: { errors: [] },
        });
      }
    }
    if (version > this.version)
      throw new InvalidEvent("EVT_UNKNOWN_TYPE", {
        message: `Version ${version} of event ${this.type} is newer than the known version ${this.version}`,
        details: { type: this.type, version },
      });
    return current;
  }

  #validator(): (data: unknown) => SchemaProblem[] | null {
    if (!this.#options.schema) throw new NotImplemented({ message: `Event ${this.type} has no schema` });
    this.#compiled ??= compileSchema(this.#options.schema);
    if (this.#compiled.state === "valid") return this.#compiled.validate;
    throw new InvalidEvent("EVT_SCHEMA_INVALID", {
      message: `Schema for event ${this.type} is invalid`,
      details: { errors: this.#compiled.problems },
    });
  }

  #subjectOf(data: D): string | undefined {
    if (!this.#options.subject) return undefined;
    let subject: unknown;
    try {
      subject = this.#options.subject(data);
    } catch (error) {
      throw attributeInvalid("subject", "could not be computed", error);
    }
    if (typeof subject !== "string" || subject === "") throw attributeInvalid("subject", "must be a text");
    return subject;
  }

  /** A failing key is a matter of the subscriptions that use it: publishing finds it again. */
  #keyOrNull(data: D): string | null {
    if (!this.#options.key) return null;
    try {
      const key: unknown = this.#options.key(data);
      return isKey(key) ? key : null;
    } catch {
      return null;
    }
  }
}

export function dataInvalid(type: string, problems: readonly SchemaProblem[]): InvalidEvent {
  const list = problems.map(({ pointer, message }) => `${pointer || "the data"} ${message}`).join("; ");
  return new InvalidEvent("EVT_DATA_INVALID", {
    message: `Data for event ${type} does not match the defined schema: ${list}`,
    details: { type, errors: problems },
  });
}

let lastMs = Number.NaN;
let lastIso = "";

/** Many events share a millisecond; formatting one takes longer than comparing it. */
function isoTime(timeMs: number): string {
  if (timeMs !== lastMs) {
    lastIso = new Date(timeMs).toISOString();
    lastMs = timeMs;
  }
  return lastIso;
}

function withoutCallerId(meta: Readonly<Record<string, string>>): Readonly<Record<string, string>> | undefined {
  const { caller_id: _, ...rest } = meta;
  return Object.keys(rest).length > 0 ? rest : undefined;
}

const eventKeys: readonly (keyof EventOptions<object>)[] = [
  "schema",
  "version",
  "description",
  "owner",
  "category",
  "edition",
  "flag",
  "subject",
  "key",
  "sensitive",
  "log",
  "examples",
  "compatibility",
  "upcast",
  "deprecated",
  "maxInlineBytes",
];

function refuse(option: string, message: string, cause?: unknown): never {
  throw new EventStoreError("EVT_CONFIG_INVALID", { message, details: { option }, cause });
}

function checkEventOptions<D>(options: AnyEventOptions<D>): void {
  checkObject(options, "options", refuse);
  checkKeys(options, eventKeys, "", refuse);
  if (options.schema !== undefined) checkObject(options.schema, "schema", refuse);
  checkInteger(options.version, 1, Number.MAX_SAFE_INTEGER, "version", refuse);
  checkInteger(options.maxInlineBytes, 1, Number.MAX_SAFE_INTEGER, "maxInlineBytes", refuse);
  for (const name of ["description", "owner", "category", "edition", "flag"] as const)
    checkText(options[name], name, refuse);
  checkFunction(options.subject, "subject", refuse);
  checkFunction(options.key, "key", refuse);
  checkChoice(options.log, ["all", "failures", "off"], "log", refuse);
  checkChoice(options.compatibility, ["backward", "forward", "full", "none"], "compatibility", refuse);
  checkList(options.examples, "examples", refuse);
  checkList(options.sensitive, "sensitive", refuse);
  for (const pointer of options.sensitive ?? []) {
    if (typeof pointer !== "string" || !pointer.startsWith("/"))
      refuse("sensitive", "`sensitive` must hold JSON Pointers, `/user/email` for example");
  }
  if (options.upcast !== undefined) checkObject(options.upcast, "upcast", refuse);
  for (const [version, upcast] of Object.entries(options.upcast ?? {})) {
    checkInteger(Number(version), 1, Number.MAX_SAFE_INTEGER, `upcast.${version}`, refuse);
    checkFunction(upcast, `upcast.${version}`, refuse);
  }
  if (options.deprecated !== undefined) {
    checkObject(options.deprecated, "deprecated", refuse);
    checkKeys(options.deprecated, ["since", "sunset", "replacedBy"], "deprecated.", refuse);
    if (typeof options.deprecated.since !== "string") refuse("deprecated.since", "`deprecated.since` must be a text");
  }
}
