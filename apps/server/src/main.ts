import { nodeVersionProblem } from './config/node-version';

// Before anything else is loaded: native modules crash on an older Node instead of saying so.
const problem = nodeVersionProblem(process.versions.node);
if (problem === null) {
  void import('./serve.js').then(({ serve }) => serve(process.env, process.argv.slice(2)));
} else {
  process.stderr.write(`${problem}\n`);
  process.exit(1);
}
