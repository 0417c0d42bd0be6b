/** User name and password of every URL within `text`, replaced by a mask. */
export function maskCredentials(text: string): string {
  return text.replaceAll(/(:\/\/)[^/?#\s"'`<>]*@/g, "$1***@");
}
