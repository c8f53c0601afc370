import { renderMachine, table } from '../report.mjs';
import { DATABASES } from './databases.mjs';
import { MEASURES } from './measures.mjs';

const MIB = 1_024 * 1_024;
const COUNTED = { paths: 'paths', file_versions: 'file versions', chunks: 'chunks' };

/** The section of the results page: where it ran, on what, sizes, and a row per measure. */
export function renderCatalog({ startedAt, command, machine, holdfast, databases, shapes }) {
  const titles = databases.map(({ name }) => DATABASES[name].title);
  const asked = MEASURES.filter(({ key }) => databases.every(({ measures }) => key in measures));
  return `## Catalog

${startedAt}, \`${command}\`.

- Machine: ${renderMachine(machine)}
- ${[holdfast, ...databases.map(({ version }) => version)].join('; ')}
- ${shapes.map(({ name, files, bigFiles, versions, runs }) => `task \`${name}\`: ${grouped(files)} files${bigFiles > 0 ? ` (${grouped(bigFiles)} of them in one directory)` : ''}, ${grouped(versions)} versions in ${runs} runs`).join('; ')}

${table([
  ['', ...titles.flatMap((title) => [title, 'CPU server + database', 'peak server']), 'CPU and peak agent'],
  ...asked.map((measure) => row(measure, databases)),
])}
${table([
  ['bytes per million', ...titles],
  ...Object.entries(COUNTED).map(([name, title]) => [
    title,
    ...databases.map(
      ({ sizes }) => `${((sizes[name].bytes / Math.max(1, sizes[name].rows)) * (1e6 / MIB)).toFixed(0)} MiB`,
    ),
  ]),
])}`;
}

function row({ key, title, unit }, databases) {
  const results = databases.map(({ measures }) => measures[key]);
  const agents = results.filter(({ agentCpuSeconds }) => agentCpuSeconds !== null);
  return [
    title,
    ...results.flatMap(({ count, seconds, serverCpuSeconds, databaseCpuSeconds, serverPeakBytes }) => [
      `${duration(seconds)}${count > 1 ? ` (${rate(count, seconds, unit)})` : ''}`,
      `${serverCpuSeconds.toFixed(2)} + ${databaseCpuSeconds.toFixed(2)} s`,
      `${(serverPeakBytes / MIB).toFixed(0)} MiB`,
    ]),
    agents
      .map(
        ({ agentCpuSeconds, agentPeakBytes }) =>
          `${agentCpuSeconds.toFixed(1)} s, ${(agentPeakBytes / MIB).toFixed(0)} MiB`,
      )
      .join('; '),
  ];
}

function rate(count, seconds, unit) {
  if (count < 1_000) return `${duration(seconds / count)} each of ${count} ${unit}`;
  return `${grouped(Math.round(count / seconds))} of ${grouped(count)} ${unit} a second`;
}

function duration(seconds) {
  if (seconds < 1) return `${(seconds * 1_000).toFixed(seconds < 0.01 ? 1 : 0)} ms`;
  return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
}

function grouped(value) {
  return value.toLocaleString('en-US');
}
