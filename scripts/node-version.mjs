// Runs on every Node, however old: no syntax and no module that needs a recent one.

export const oldestNode = "20.19.0";

/** One line that says what is wrong with this Node version, or an empty string. @param {string} version */
export function nodeVersionProblem(version) {
  const found = version.split(".").map(Number);
  const wanted = oldestNode.split(".").map(Number);
  for (let index = 0; index < wanted.length; index++) {
    const difference = (found[index] || 0) - (wanted[index] || 0);
    if (difference > 0) return "";
    if (difference < 0) {
      return `Signalbox needs Node ${oldestNode} or newer, this is Node ${version}: https://nodejs.org`;
    }
  }
  return "";
}

export function refuseOldNode() {
  const problem = nodeVersionProblem(process.versions.node);
  if (problem) {
    console.error(problem);
    process.exit(1);
  }
}
