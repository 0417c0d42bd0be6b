import { expect, test } from "vitest";
import { addSourceLinks } from "./source-links.js";

const repository = {
  urlTemplate: "https://forge.example/{commit}/{path}#L{line}",
  stripPrefixes: ["/srv/shop/", "app:///", "webpack:///./"],
  addPrefix: "",
  defaultBranch: "main",
};

function linkOf(frame: object, changes: Partial<typeof repository> = {}): unknown {
  const payload = JSON.stringify({ stacktrace: { frames: [{ in_app: true, lineno: 7, ...frame }] } });
  const { stacktrace } = JSON.parse(addSourceLinks(payload, { ...repository, ...changes }));
  return stacktrace.frames[0].source_link;
}

test.each([
  ["/srv/shop/app/pay.py", "app/pay.py"],
  ["app:///src/pay.ts", "src/pay.ts"],
  ["webpack:///./src/pay.vue", "src/pay.vue"],
  ["src\\pay.cs", "src/pay.cs"],
  ["a/{line}$&.py", "a/%7Bline%7D%24%26.py"],
])("ET-247 the file %s is at %s of the repository", (filename, path) => {
  expect(linkOf({ filename })).toBe(`https://forge.example/main/${path}#L7`);
});

test("ET-247 a file of the JVM lies in the folder of its package", () => {
  const frame = { filename: "Order.java", module: "com.acme.shop.Order$Line" };
  expect(linkOf(frame, { addPrefix: "src/main/java/" })).toBe(
    "https://forge.example/main/src/main/java/com/acme/shop/Order.java#L7",
  );
});

test.each(["https://shop.example/assets/main.js", "webpack-internal:///./src/pay.ts", "../up.py", "/srv/shop/"])(
  "ET-247 %s is nowhere in the repository",
  (filename) => {
    expect(linkOf({ filename })).toBeUndefined();
  },
);
