const MIB = 1_024 * 1_024;
const YARDSTICK = 'restic';

export const PHASES = [
  { key: 'first', title: 'first backup' },
  { key: 'unchanged', title: 'unchanged' },
  { key: 'nextDay', title: 'next day' },
  { key: 'restore', title: 'restore' },
];

/** Wall time against restic, and stored bytes: what issue 10 asks of Holdfast. */
const TARGETS = {
  all: { first: 0.55, unchanged: 0.3, nextDay: 0.6, restore: 0.65, storedFirst: 0.95, stored: 0.95 },
  'small-files': { first: 0.5, unchanged: 0.3, restore: 0.5, storedFirst: 0.75, stored: 0.75 },
};

const seconds = (value) => `${value.toFixed(value < 10 ? 2 : 1)} s`;
const mebibytes = (value) => `${(value / MIB).toFixed(value < 10 * MIB ? 1 : 0)} MiB`;

const MEASURES = [
  ...PHASES.map(({ key, title }) => ({ key, title, read: (trial) => trial[key]?.seconds, show: seconds })),
  { key: 'stored', title: 'stored', read: (trial) => trial.stored?.total, show: mebibytes },
  { key: 'storedFirst', title: 'stored after the first', read: (trial) => trial.storedFirst?.total, show: mebibytes },
  ...PHASES.map(({ key, title }) => ({
    key: `${key}Cpu`,
    title: `CPU, ${title}`,
    read: (trial) => trial[key]?.cpuSeconds,
    show: seconds,
  })),
  { key: 'cpu', title: 'CPU, together', read: (trial) => total(trial, 'cpuSeconds'), show: seconds },
  { key: 'peak', title: 'peak memory (agent)', read: (trial) => highest(trial, 'peakBytes'), show: mebibytes },
  {
    key: 'serverPeak',
    title: 'peak memory (server)',
    read: (trial) => highest(trial, 'serverPeakBytes') || undefined,
    show: mebibytes,
  },
  {
    key: 'memory',
    title: 'peak memory, together',
    read: (trial) => highest(trial, 'peakBytes') + highest(trial, 'serverPeakBytes'),
    show: mebibytes,
  },
];
const RATIO_COLUMNS = ['first', 'unchanged', 'nextDay', 'restore', 'storedFirst', 'stored', 'cpu', 'memory'];

/** Medians of the trials, and their ratios to restic's, by engine and measure. Only what every trial has is there. */
export function summarize(group) {
  const medians = {};
  for (const [engine, trials] of Object.entries(group.trials)) {
    medians[engine] = {};
    for (const { key, read } of MEASURES) {
      const values = trials.map(read);
      if (values.length > 0 && values.every((value) => Number.isFinite(value))) medians[engine][key] = median(values);
    }
  }
  const ratios = {};
  for (const engine of Object.keys(medians)) {
    ratios[engine] = {};
    for (const [key, value] of Object.entries(medians[engine])) {
      const yardstick = medians[YARDSTICK]?.[key];
      if (yardstick > 0) ratios[engine][key] = value / yardstick;
    }
  }
  return { medians, ratios, targets: TARGETS[group.name] };
}

/** The tables, as Markdown that also reads well in a terminal. */
export function renderTables(results) {
  const parts = [];
  for (const group of results.groups) {
    const { medians, ratios } = group.summary;
    const engines = Object.keys(medians);
    parts.push(`### ${group.title}: medians of ${results.options.repeat}, and ratios to restic\n`);
    parts.push(
      table([
        ['', ...engines],
        ...MEASURES.map(({ key, title, show }) => [
          title,
          ...engines.map((engine) => {
            const value = medians[engine][key];
            if (value === undefined) return '';
            const ratio = ratios[engine][key];
            return engine === YARDSTICK || ratio === undefined ? show(value) : `${show(value)} (${ratio.toFixed(2)})`;
          }),
        ]),
      ]),
    );
  }
  parts.push('### Ratios to restic\n', ratioTable(results.groups));
  return parts.join('\n');
}

function ratioTable(groups) {
  const rows = [
    ['corpora', 'engine', ...RATIO_COLUMNS.map((key) => MEASURES.find((measure) => measure.key === key).title)],
  ];
  for (const { title, summary } of groups) {
    for (const [engine, ratios] of Object.entries(summary.ratios)) {
      if (engine !== YARDSTICK)
        rows.push([title, engine, ...RATIO_COLUMNS.map((key) => ratios[key]?.toFixed(2) ?? '')]);
    }
    rows.push([title, 'target', ...RATIO_COLUMNS.map((key) => summary.targets[key]?.toFixed(2) ?? '')]);
  }
  return table(rows);
}

/** The whole page: what ran where, on what, and the tables. */
export function renderPage(results) {
  const { machine, engines, corpora, groups, options } = results;
  return `# Benchmark

${results.startedAt}, \`${options.command}\`, seed ${options.seed}. Engines interleaved in every phase, ${options.repeat} times; figures are medians.
Before each timed command: \`sync\`, and everything that it reads was read once (warm page cache).

- Machine: ${renderMachine(machine)}
${engines.map(({ version, compression, encryption, commands }) => `- ${version}: compression ${compression}; encryption ${encryption}; ${commands.map((command) => `\`${command}\``).join(', ')}`).join('\n')}

${table([
  ['corpus', 'files', 'folders', 'links', 'bytes', 'without holes'],
  ...corpora.map((corpus) => [
    corpus.title,
    String(corpus.files),
    String(corpus.directories),
    String(corpus.others),
    mebibytes(corpus.logicalBytes),
    mebibytes(corpus.allocatedBytes),
  ]),
])}
${renderTables(results)}
${renderNotes(groups)}`;
}

export function renderMachine({ processor, cores, memoryBytes, system, kernel, fileSystem, loadBefore }) {
  return `${processor}, ${cores} cores, ${(memoryBytes / MIB / 1_024).toFixed(1)} GiB, ${system}, Linux ${kernel}, ${fileSystem}; load ${loadBefore.toFixed(2)} before`;
}

/** What each restored copy was judged to be, and which engines failed. */
export function renderNotes(groups) {
  const lines = groups.flatMap(({ title, comparisons, failures }) => [
    ...Object.entries(comparisons).map(([engine, { judge, count, shown }]) =>
      count === 0
        ? `- ${title}, ${engine}: the restored copy is the same (${judge})`
        : `- ${title}, ${engine}: the restored copy DIFFERS in ${count} paths (${judge}), such as ${JSON.stringify(shown[0])}`,
    ),
    ...Object.entries(failures).map(
      ([engine, reason]) => `- ${title}, ${engine}: FAILED and was left out of that round: ${reason}`,
    ),
  ]);
  return `${lines.join('\n')}\n`;
}

export function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(3, ...rows.map((row) => row[column].length)));
  const line = (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |\n`;
  return `${line(rows[0])}${line(widths.map((width) => '-'.repeat(width)))}${rows.slice(1).map(line).join('')}`;
}

function total(trial, key) {
  return PHASES.reduce((sum, phase) => sum + (trial[phase.key]?.[key] ?? Number.NaN), 0);
}

function highest(trial, key) {
  return Math.max(...PHASES.map((phase) => trial[phase.key]?.[key] ?? Number.NaN));
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
