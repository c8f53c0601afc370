// Reads jest's JSON report, prints the closing line, and fails on any test that failed or was skipped.
import { readFileSync } from 'node:fs';

const report = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const skipped = report.testResults.flatMap((file) =>
  file.assertionResults
    .filter((test) => test.status !== 'passed' && test.status !== 'failed')
    .map((test) => test.fullName),
);
for (const name of skipped) console.error(`skipped: ${name}`);
console.log(`tests: ${report.numPassedTests} passed, ${report.numFailedTests} failed, ${skipped.length} skipped`);
if (!report.success || skipped.length > 0 || report.numPassedTests === 0) process.exit(1);
