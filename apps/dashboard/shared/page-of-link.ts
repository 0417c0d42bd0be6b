/** The page that shows what an address of the API stands for; undefined where there is none. */
export function pageOfLink(link: string): string | undefined {
  const path = new URL(link, "http://server").pathname;
  const run = /^\/api\/v1\/experience\/runs\/([^/]+)\/([^/]+)\/([^/]+)$/.exec(path);
  if (run) return `/experiences/runs/${run[1]}/${run[2]}/${run[3]}`;
  const event = /^\/api\/v1\/events\/why\/([^/]+)$/.exec(path);
  if (event) return `/events/${event[1]}`;
  const error = /^\/api\/v1\/projects\/(\d+)\/errors\/(\d+)(?:\/events\/([0-9a-f]+))?$/.exec(path);
  if (error) return `/projects/${error[1]}/errors/${error[2]}${error[3] === undefined ? "" : `?event=${error[3]}`}`;
  const repository = /^\/api\/v1\/relay\/repositories\/([^/]+)\/([^/]+)$/.exec(path);
  if (repository) return `/relays/repositories/${repository[1]}/${repository[2]}`;
  return undefined;
}
