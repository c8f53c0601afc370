// Journeys take minutes, other specs seconds: they go first, the longest of them at the very beginning, so that no worker is left
// alone with one at the end. (On a fresh machine jest goes by the size of files.)
const FIRST = ['test/kill-points.spec.ts', 'test/fleet-agent.spec.ts', 'test/hard-cases.spec.ts', 'test/'];

const rankOf = ({ path, context }) => {
  const name = path.slice(context.config.rootDir.length + 1);
  const rank = FIRST.findIndex((start) => name.startsWith(start));
  return rank === -1 ? FIRST.length : rank;
};

module.exports = class LongestFirst {
  sort(tests) {
    return [...tests].sort((a, b) => rankOf(a) - rankOf(b) || (a.path < b.path ? -1 : 1));
  }

  /** For `--onlyFailures`: nothing is remembered here, so all are run. */
  allFailedTests(tests) {
    return tests;
  }

  cacheResults() {}
};
