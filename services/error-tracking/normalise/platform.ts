const known = new Set(
  (
    "as3 c cfml clojure cocoa crystal csharp dart deno elixir erlang fortran go groovy haskell java javascript julia " +
    "kotlin lua nim native node objc ocaml perl php powershell python r ruby rust scala swift vb"
  ).split(" "),
);

/** The platform as a column with few values; the payload keeps what was sent. */
export function platformColumn(platform: string): string {
  return known.has(platform) ? platform : "other";
}
