/**
 * What the server wrote into the page about the journey that led to it, for `client.resume(id, pageCarrier())`:
 *
 *     <meta name="x-covered-experiences" content="…"> <meta name="x-correlation-id" content="…">
 *
 * with what `client.inject({})` gives on the server.
 */
export function pageCarrier(root: ParentNode = document): Readonly<Record<string, string>> {
  const carrier: Record<string, string> = {};
  for (const name of ["x-covered-experiences", "x-correlation-id"]) {
    const content = root.querySelector(`meta[name="${name}" i]`)?.getAttribute("content");
    if (content) carrier[name] = content;
  }
  return carrier;
}
