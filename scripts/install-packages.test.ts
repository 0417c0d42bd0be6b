import { expect, test } from "vitest";
import { packagesProblem } from "./install-packages.mjs";

const locked = {
  packages: {
    "": { version: "0.1.0" },
    "packages/kernel": { version: "0.1.0" },
    "node_modules/@signalbox/kernel": { link: true },
    "node_modules/pino": { version: "10.4.0", integrity: "sha512-a" },
    "node_modules/@libsql/darwin-arm64": { version: "0.5.29", integrity: "sha512-b", optional: true },
  },
};
const installed = {
  packages: {
    "packages/kernel": { version: "0.1.0" },
    "node_modules/@signalbox/kernel": { link: true },
    "node_modules/pino": { version: "10.4.0", integrity: "sha512-a" },
  },
};

test("packages that agree with the lockfile stay, also without those of other platforms", () => {
  expect(packagesProblem(locked, installed)).toBe("");
});

test("packages are installed when one that a workspace of ours names as optional is missing", () => {
  const withOptional = {
    packages: {
      ...locked.packages,
      "packages/kernel": { version: "0.1.0", optionalDependencies: { koffi: "3.1.2" } },
      "node_modules/koffi": { version: "3.1.2", integrity: "sha512-d", optional: true },
    },
  };
  expect(packagesProblem(withOptional, installed)).toBe("koffi differs from the lockfile");
});

test("packages are installed when none are there", () => {
  expect(packagesProblem(locked, undefined)).toBe("first start");
});

test("packages are installed when one has another version than the lockfile", () => {
  const older = {
    packages: { ...installed.packages, "node_modules/pino": { version: "9.0.0", integrity: "sha512-c" } },
  };
  expect(packagesProblem(locked, older)).toBe("pino differs from the lockfile");
});

test("packages are installed when the lockfile has a workspace that is not linked", () => {
  const { "node_modules/@signalbox/kernel": _, ...rest } = installed.packages;
  expect(packagesProblem(locked, { packages: rest })).toBe("@signalbox/kernel differs from the lockfile");
});
