import { list, map, objects } from "./collection-settings.js";
import { boolean, choice, duration, integer, listen, number, path, size, string, url } from "./scalar-settings.js";
import { secret, secretUrl } from "./secret-settings.js";

/** The kinds of settings. Each is read in the same way from YAML, a variable or a flag. */
export const setting = Object.freeze({
  string,
  path,
  integer,
  number,
  boolean,
  duration,
  size,
  choice,
  url,
  listen,
  secret,
  secretUrl,
  list,
  map,
  objects,
});
