import { expect, test } from "vitest";
import { refuseNulInBody } from "./refuse-nul.js";
import { bodyOf, postJson, serve } from "./testing/serve.js";
import { createTestTokens } from "./testing/tokens.js";

test("PF-042 U+0000 in an address or a body, and half of a surrogate pair in a body, is a fault of the request, and no route sees it", async () => {
  const { authenticator, bearer } = await createTestTokens();
  const seen: string[] = [];
  const { url } = await serve({ authenticator }, (app) => {
    app.addHook("preValidation", refuseNulInBody);
    app.route({
      method: ["GET", "POST"],
      url: "/things/:name",
      config: { access: { scope: "errors:read" } },
      handler: async ({ url: address }) => void seen.push(address),
    });
  });
  const headers = await bearer(["errors:read"]);
  const pointerOf = async (response: Response) => {
    expect(response.status).toBe(400);
    return (await bodyOf(response))["errors"];
  };
  const at = (pointer: string) => [expect.objectContaining({ pointer, code: "pattern" })];
  expect(await pointerOf(await fetch(`${url}/things/a%00b`, { headers }))).toEqual(at("/params/name"));
  expect(await pointerOf(await fetch(`${url}/things/a?filter=%00`, { headers }))).toEqual(at("/query/filter"));
  expect(await pointerOf(await postJson(`${url}/things/a`, '{"list":[{"x":"\\u0000"}]}', headers))).toEqual(
    at("/list/0/x"),
  );
  for (const half of ["\\ud800", "x\\udc00", "\\ud83dx"])
    expect(await pointerOf(await postJson(`${url}/things/a`, `{"list":[{"x":"${half}"}]}`, headers))).toEqual(
      at("/list/0/x"),
    );
  expect(await pointerOf(await postJson(`${url}/things/a`, '{"map":{"\\udfff":1}}', headers))).toEqual(at("/map"));
  expect(seen).toEqual([]);
  const whole = await postJson(`${url}/things/a`, '{"text":"\\ud83d\\ude00 \ufffd"}', headers);
  expect(whole.status).toBeLessThan(300);
});
