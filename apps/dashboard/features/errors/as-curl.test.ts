import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { asCurl } from "./as-curl.js";

test("a request becomes a command with its method, headers and body", () => {
  const command = asCurl({
    url: "https://git.example/api",
    method: "POST",
    query_string: "page=2",
    headers: { Accept: "text/html", Host: "git.example", "Content-Length": "9" },
    data: { name: "ada" },
  });
  expect(command).toBe(
    `curl -X 'POST' --url 'https://git.example/api?page=2' \\\n  -H 'Accept: text/html' \\\n  --data-raw '{\n  "name": "ada"\n}'`,
  );
});

test("nothing that an event brings is a command for the shell", () => {
  const attack = `'; echo HACKED; $(echo HACKED) \`echo HACKED\``;
  const command = asCurl({ url: attack, method: attack, headers: [[attack, attack]], data: attack }) ?? "";
  const seen = execFileSync("sh", ["-c", command.replace(/^curl/, `printf '<%s>'`)], { encoding: "utf8" });
  expect(seen).toBe(
    ["-X", attack, "--url", attack, "-H", `${attack}: ${attack}`, "--data-raw", attack]
      .map((one) => `<${one}>`)
      .join(""),
  );
});

test("without an address there is no command", () => {
  expect(asCurl({ method: "GET" })).toBeUndefined();
});
