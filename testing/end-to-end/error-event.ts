export interface ErrorFacts {
  readonly level?: string;
  readonly release?: string;
  readonly transaction?: string;
  readonly handled?: boolean;
  readonly user?: string;
  /** Further parts of the event. */
  readonly more?: object;
}

/** An error as an SDK sends it, with a stack that names a function after the type of the exception. */
export function errorEvent(
  type: string,
  value: string,
  { level = "error", release, transaction, handled = true, user, more }: ErrorFacts = {},
): object {
  const name = type.toLowerCase();
  return {
    platform: "python",
    level,
    ...(release === undefined ? {} : { release }),
    ...(transaction === undefined ? {} : { transaction }),
    ...(user === undefined ? {} : { user: { id: user } }),
    exception: {
      values: [
        {
          type,
          value,
          mechanism: { type: "generic", handled },
          stacktrace: {
            frames: [
              { function: "main", filename: "shop/main.py", lineno: 3, in_app: true },
              { function: name, filename: `shop/${name}.py`, lineno: 12, in_app: true, context_line: `    ${name}()` },
            ],
          },
        },
      ],
    },
    ...more,
  };
}
