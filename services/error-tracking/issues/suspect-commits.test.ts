import { expect, test } from "vitest";
import { suspectCommits } from "./suspect-commits.js";

interface SentFrame {
  readonly filename?: string;
  readonly abs_path?: string;
  readonly module?: string;
  readonly in_app?: boolean;
}

const payload = (...frames: readonly SentFrame[]): string =>
  JSON.stringify({
    exception: { values: [{ stacktrace: { frames: frames.map((frame) => ({ in_app: true, ...frame })) } }] },
  });

const commit = (id: string, ...paths: readonly string[]) => ({ id, paths });

const suspects = (text: string, ...oldestFirst: readonly ReturnType<typeof commit>[]) =>
  suspectCommits(text, oldestFirst).map(({ commit: { id }, paths }) => [id, ...paths]);

test("ET-248 suspects touched a file of a frame of the application, newest first", () => {
  const text = payload(
    { filename: "shop/cart.py" },
    { filename: "django/views.py", in_app: false },
    { filename: "shop/pay.py" },
  );
  expect(
    suspects(
      text,
      commit("a", "src/shop/cart.py", "README.md"),
      commit("b", "src/shop/other.py"),
      commit("c", "vendor/django/views.py"),
      commit("d", "src/shop/pay.py", "src/shop/cart.py"),
    ),
  ).toEqual([
    ["d", "src/shop/pay.py", "src/shop/cart.py"],
    ["a", "src/shop/cart.py"],
  ]);
});

test("ET-248 of files with one name those are meant whose path agrees for the longest", () => {
  const text = payload({ filename: "app/shop/index.js" });
  expect(suspects(text, commit("a", "web/shop/index.js"), commit("b", "web/cart/index.js"))).toEqual([
    ["a", "web/shop/index.js"],
  ]);
  expect(suspects(text, commit("b", "web/cart/index.js"))).toEqual([["b", "web/cart/index.js"]]);
});

test("ET-248 five suspects at most", () => {
  const commits = ["1", "2", "3", "4", "5", "6", "7"].map((id) => commit(id, "shop/pay.py"));
  expect(suspects(payload({ filename: "shop/pay.py" }), ...commits).map(([id]) => id)).toEqual([
    "7",
    "6",
    "5",
    "4",
    "3",
  ]);
});

test.each([
  ["an address", { abs_path: "https://shop.example/static/app/cart.js?v=1#x", filename: "/static/app/cart.js" }],
  ["a bundler's name", { abs_path: "webpack:///./app/cart.js", filename: "./app/cart.js" }],
  ["Windows", { abs_path: "C:\\srv\\app\\cart.js", filename: "cart.js" }],
])("ET-248 the path of a frame may be %s", (_, frame) => {
  expect(suspects(payload(frame), commit("a", "app/cart.js"), commit("b", "lib/cart.js"))).toEqual([
    ["a", "app/cart.js"],
  ]);
});

test("ET-248 the folder of a class is its package", () => {
  const text = payload({ filename: "Cart.java", module: "com.example.shop.Cart$Item" });
  const commits = [commit("a", "src/main/java/com/example/shop/Cart.java"), commit("b", "src/com/other/Cart.java")];
  expect(suspects(text, ...commits)).toEqual([["a", "src/main/java/com/example/shop/Cart.java"]]);
});

test("ET-248 nothing is suspect without paths or frames", () => {
  expect(suspects(payload({ filename: "a.py" }), commit("a"))).toEqual([]);
  expect(suspects("{}", commit("a", "a.py"))).toEqual([]);
});
