/**
 * Whether a text matches a glob as a whole, in any case: `*` is anything, `?` any one character. Takes at most as many
 * steps as text and glob have characters multiplied, whatever they hold.
 */
export function matchesGlob(text: string, glob: string): boolean {
  const [wanted, sent] = [glob.toLowerCase(), text.toLowerCase()];
  if (!/[*?]/.test(wanted)) return sent === wanted;
  let [at, place] = [0, 0];
  // Where the last star stands, and up to where it has taken text.
  let [star, taken] = [-1, 0];
  while (at < sent.length) {
    if (wanted[place] === "*") {
      star = place++;
      taken = at;
    } else if (place < wanted.length && (wanted[place] === "?" || wanted[place] === sent[at])) {
      at++;
      place++;
    } else if (star >= 0) {
      place = star + 1;
      at = ++taken;
    } else return false;
  }
  while (wanted[place] === "*") place++;
  return place === wanted.length;
}
