import { writeFileSync } from "node:fs";

/** Environment variable with the path of the file that the counts go to. */
export const countsFileVariable = "TEST_COUNTS_FILE";

/**
 * @typedef {object} TestCounts
 * @property {number} passed
 * @property {number} failed tests, and files, set-ups and stray errors that failed outside a test
 * @property {number} skipped
 * @property {readonly string[]} skippedTests by name, with the reason where the test gave one
 * @property {readonly string[]} unsteadyTests by name: passed, but not at the first try
 */

/** A Vitest reporter that leaves the numbers of a run in a file. */
export default class TestCountsReporter {
  /**
   * @param {readonly import("vitest/node").TestModule[]} testModules
   * @param {readonly unknown[]} unhandledErrors
   */
  onTestRunEnd(testModules, unhandledErrors) {
    const path = process.env[countsFileVariable];
    if (path) writeFileSync(path, JSON.stringify(countTests(testModules, unhandledErrors.length)));
  }
}

/**
 * @param {readonly import("vitest/node").TestModule[]} testModules
 * @param {number} unhandledErrors
 * @returns {TestCounts}
 */
function countTests(testModules, unhandledErrors) {
  let passed = 0;
  let failed = unhandledErrors;
  const skippedTests = [];
  const unsteadyTests = [];
  for (const testModule of testModules) {
    if (testModule.errors().length > 0) failed++;
    for (const suite of testModule.children.allSuites()) if (suite.errors().length > 0) failed++;
    for (const test of testModule.children.allTests()) {
      const result = test.result();
      const name = `${testModule.relativeModuleId} > ${test.fullName}`;
      if (test.diagnostic()?.flaky) unsteadyTests.push(name);
      if (result.state === "passed") passed++;
      else if (result.state === "failed") failed++;
      else {
        const note = result.state === "skipped" && result.note ? `: ${result.note}` : "";
        skippedTests.push(`${name}${note}`);
      }
    }
  }
  return { passed, failed, skipped: skippedTests.length, skippedTests, unsteadyTests };
}
