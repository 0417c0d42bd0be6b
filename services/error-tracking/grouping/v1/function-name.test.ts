import { expect, test } from "vitest";
import { stableDotnetModule } from "./dotnet-name.js";
import type { Family } from "./family.js";
import { stableFunction, stableJavaName } from "./function-name.js";
import { withoutBuildHash } from "./script-name.js";

test.each<[Family, string, string | undefined]>([
  ["java", "lambda$main$0", undefined],
  ["java", "invoke", "invoke"],
  ["java", "CGLIB$save$3", "CGLIB$save$3"],
  ["php", "class@anonymous\u0000/var/www/a.php:5$0::charge", "charge"],
  ["php", "App\\Http\\{closure}", "App\\Http\\{closure}"],
  ["php", "App\\Http\\{closure:App\\Kernel::boot():31}", "App\\Http\\{closure}"],
  ["ruby", "block (2 levels) in share", "block"],
  ["ruby", "block in share", "block"],
  ["ruby", "blocked?", "blocked?"],
  ["ruby", "_app_views_show_html_erb__2384512931_70153234", "_app_views_show_html_erb"],
  ["ruby", "_app_views_show_html_erb___2384512931_70153234", "_app_views_show_html_erb"],
  ["ruby", "year__123_45", "year__123_45"],
  ["python", "<lambda>", "<lambda>"],
  ["python", "<listcomp>", "<listcomp>"],
  ["dotnet", "<LoadAsync>d__12", "LoadAsync"],
  ["dotnet", "<Total>b__0_1", "Total"],
  ["dotnet", "Find`1", "Find"],
])("ET-198 for %s the function %s counts as %s", (family, sent, stable) => {
  expect(stableFunction(sent, family)).toBe(stable);
});

test.each([
  ["sun.reflect.GeneratedMethodAccessor123", "sun.reflect.GeneratedMethodAccessor"],
  ["jdk.internal.reflect.GeneratedConstructorAccessor7", "jdk.internal.reflect.GeneratedConstructorAccessor"],
  ["shop.Orders$$EnhancerByCGLIB$$1f2e3d_2", "shop.Orders$$EnhancerByCGLIB$$"],
  ["shop.Orders$$FastClassBySpringCGLIB$$9f8b1a", "shop.Orders$$FastClassBySpringCGLIB$$"],
  ["shop.Orders$$SpringCGLIB$$0", "shop.Orders$$SpringCGLIB$$"],
  ["shop.Orders_$$_javassist_12", "shop.Orders_$$_javassist"],
  ["Orders_$$_javassist_seam_3.java", "Orders_$$_javassist_seam.java"],
  ["shop.core$fn__1234", "shop.core$fn__"],
  ["com.sun.proxy.$Proxy17", "com.sun.proxy.$Proxy"],
  ["shop.Orders$1", "shop.Orders$1"],
])("ET-198 the Java name %s counts as %s", (sent, stable) => {
  expect(stableJavaName(sent)).toBe(stable);
});

test.each([
  ["main.3f2a1b9c.js", "main.js"],
  ["main-99aa11bb77cc0011.chunk.js", "main.chunk.js"],
  ["index-BkX3a9Z1.mjs", "index.mjs"],
  ["chunk-5QJY3ZKX.js", "chunk.js"],
  ["chunks:hooks-Dq81Zx_3", "chunks:hooks"],
  ["parse-version2.js", "parse-version2.js"],
  ["user-settings.js", "user-settings.js"],
  ["UserCard.UserList.js", "UserCard.UserList.js"],
  ["shop.core.js", "shop.core.js"],
  ["3f2a1b9c.js", "3f2a1b9c.js"],
])("ET-194 the script %s counts as %s", (sent, stable) => {
  expect(withoutBuildHash(sent)).toBe(stable);
});

test("ET-198 generic arity does not count", () => {
  expect(stableDotnetModule("System.Collections.Generic.Dictionary`2+Entry`1")).toBe(
    "System.Collections.Generic.Dictionary+Entry",
  );
});

test.each<[string, string | undefined]>([
  ["main", "main"],
  ["void shop::Basket<int>::total(std::vector<int, std::allocator<int> > const&) const", "shop::Basket::total"],
  ["std::map<int, std::string>& shop::all()", "shop::all"],
  ["shop::total(int) [clone .isra.0]", "shop::total"],
  ["total.cold.12", "total"],
  ["total.part.0.isra.3", "total"],
  ["shop::run(int)::{lambda(int)#2}::operator()(int) const", "shop::run::lambda::operator()"],
  ["(anonymous namespace)::run(int)", "(anonymous)::run"],
  ["`anonymous namespace'::run", "(anonymous)::run"],
  ["shop::operator<<(std::ostream&, shop::Item const&)", "shop::operator<<"],
  ["bool shop::operator< <int>(shop::Item<int> const&)", "shop::operator<"],
  ["operator new(unsigned long)", "operator new"],
  ["shop::basket::total::h0123456789abcdef", "shop::basket::total"],
  ["<shop::Basket<T> as core::fmt::Debug>::fmt::h0123456789abcdef", "<shop::Basket as core::fmt::Debug>::fmt"],
  ["shop::run::{{closure}}::h0123456789abcdef", "shop::run::{{closure}}"],
  ["-[Basket total:with:]", "-[Basket total:with:]"],
  ["+[NSObject(Shop) make]", "+[NSObject(Shop) make]"],
  ["closure #1 in Basket.add(item: Item) -> Void", "closure in Basket.add"],
  ["Basket.total(of: [Item]) -> Int", "Basket.total"],
  ["<redacted>", undefined],
  ["<unknown>", undefined],
  ["0x7f00a1b2c3d4", undefined],
  ["7f00a1b2c3d4", undefined],
])("ET-199 the native function %s counts as %s", (sent, stable) => {
  expect(stableFunction(sent, "native")).toBe(stable);
});

test("names of any form end in a name or in nothing, in time that does not explode", () => {
  for (const character of ["<", ">", "(", ")", "{", "$", " ", "a ", "::", "operator", ".cold", "`1", "#1"]) {
    for (const family of ["native", "java", "php", "ruby", "dotnet"] as const) {
      const before = process.cpuUsage();
      stableFunction(character.repeat(1024 / character.length), family);
      expect(process.cpuUsage(before).user / 1_000).toBeLessThan(1_000);
    }
  }
});
