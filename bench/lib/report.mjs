/** Results as markdown: what was aimed at and what came out, then a table for each workload. */
import { workloads } from './workloads.mjs';

const engines = ['dbos', 'openworkflow', 'absurd'];

export function toMarkdown({ environment, results, versions }) {
  const lines = [
    `# Benchmark results`,
    '',
    environment.note,
    '',
    `Ratios within this run are the result; absolute figures say as much about the machine. ${environment.repetitions} repetition${environment.repetitions === 1 ? '' : 's'}${environment.repetitions === 1 ? '' : ', medians'}.`,
    '',
    `- ${environment.date}, commit ${environment.commit}, command \`${environment.command}\``,
    `- ${environment.cpus} × ${environment.cpu}, ${environment.memoryGb} GB, Node ${environment.node} ${environment.nodeFlags}; load average at the start ${environment.load}`,
    `- Postgres ${Object.entries(environment.postgres)
      .map(([name, value]) => (name === 'server_version' ? value : `${name} ${value}`))
      .join(', ')}, on the same machine`,
    '',
    ...targetTable(results),
    '## Systems',
    '',
    '| system | version | settings |',
    '| --- | --- | --- |',
    ...Object.entries(versions).map(([name, { version, settings }]) => `| ${name} | ${version} | ${settings} |`),
    '',
  ];
  for (const workload of workloads) {
    const cells = results[workload.id];
    if (cells) lines.push(...workloadTable(workload, cells));
  }
  return `${lines.join('\n').trim()}\n`;
}

function workloadTable(workload, cells) {
  const own = cells.perdure?.metrics?.[workload.headline];
  const columns = workload.columns.filter(([name]) =>
    Object.values(cells).some((cell) => cell.metrics?.[name] !== undefined),
  );
  const compared = Object.keys(cells).length > 1;
  const lines = [
    `## ${workload.id}: ${workload.title}`,
    '',
    `| system | ${columns.map(([, title]) => title).join(' | ')} |${compared ? ' Perdure is |' : ''} size | note |`,
    `| --- |${columns.map(() => ' ---: |').join('')}${compared ? ' ---: |' : ''} --- | --- |`,
  ];
  for (const [system, cell] of Object.entries(cells)) {
    const values = columns.map(([name, , digits]) => format(cell.metrics?.[name], digits));
    const theirs = cell.metrics?.[workload.headline];
    const ratio = workload.lower ? theirs / own : own / theirs;
    const factor = !compared
      ? ''
      : ` ${system === 'perdure' || !Number.isFinite(ratio) ? '' : `${format(ratio, 2)} ×`} |`;
    const note = [cell.error ?? '', cell.cannot ?? '', workload.notes?.[system] ?? ''].filter(Boolean).join('; ');
    lines.push(`| ${system} | ${values.join(' | ')} |${factor} ${cell.size ?? ''} | ${oneLine(note)} |`);
  }
  return [...lines, ''];
}

function targetTable(results) {
  const rows = targets(results);
  if (rows.length === 0) return [];
  return [
    '## Targets',
    '',
    '| workload | target | measured | met |',
    '| --- | --- | --- | --- |',
    ...rows.map(([id, target, measured, met]) => `| ${id} | ${target} | ${measured} | ${met ? 'yes' : '**no**'} |`),
    '',
  ];
}

/** The targets of the project that can be judged from the cells at hand. */
export function targets(results) {
  const value = (id, system, name) => results[id]?.[system]?.metrics?.[name];
  const best = (id, names, name, lower) => {
    const found = names
      .map((system) => [system, value(id, system, name)])
      .filter(([, number]) => Number.isFinite(number))
      .sort(([, a], [, b]) => (lower ? a - b : b - a));
    return found[0];
  };
  const rows = [];
  const atLeast = (id, target, measured, limit, text) => {
    if (Number.isFinite(measured)) rows.push([id, target, text ?? `${format(measured, 2)} ×`, measured >= limit]);
  };
  const atMost = (id, target, measured, limit, text) => {
    if (Number.isFinite(measured)) rows.push([id, target, text, measured <= limit]);
  };
  const over = (id, name, peers, times, what) => {
    const peer = best(id, peers, name, false);
    const own = value(id, 'perdure', name);
    if (peer && own)
      atLeast(id, `>= ${times} × ${what}`, own / peer[1], times, `${format(own / peer[1], 2)} × ${peer[0]}`);
  };

  over('W1', 'perSecond', engines, 15, 'the best Postgres-backed workflow engine');
  over('W1', 'perSecond', ['restate'], 5, 'Restate');
  over('W1', 'perSecond', ['pg-boss'], 1.5, 'pg-boss');
  const raw = value('W1', 'raw', 'perSecond');
  const own = value('W1', 'perdure', 'perSecond');
  if (raw) atLeast('W1', '>= 40 % of the raw limit', own / raw, 0.4, `${format((own / raw) * 100, 0)} %`);
  const http = value('W1http', 'perdure', 'perSecond');
  if (own && http) atLeast('W1http', '>= 40 % of W1', http / own, 0.4, `${format((http / own) * 100, 0)} %`);
  const p50 = value('W2', 'perdure', 'p50');
  const fastest = best('W2', [...engines, 'restate', 'graphile-worker', 'pg-boss'], 'p50', true);
  if (p50 && fastest) {
    atMost(
      'W2',
      'p50 <= half of the best peer',
      p50 / fastest[1],
      0.5,
      `${format(p50 / fastest[1], 2)} × ${fastest[0]}`,
    );
  }
  if (p50) {
    const spread = value('W2', 'perdure', 'p99') / p50;
    atMost('W2', 'p99 <= 3 × p50', spread, 3, `${format(spread, 2)} ×`);
  }
  const cost = value('W3', 'perdure', 'costRatio');
  if (cost) {
    // The share of the start, the first turn and the join in each activity shrinks with the width: cheaper is no fault.
    const how = cost < 1 / 1.2 ? ': the wider is the cheaper' : '';
    atMost('W3', 'cost per activity within 20 %', cost, 1.2, `${format(cost, 2)} (10,000 against 1,000${how})`);
  }
  over('W3', 'best', engines, 15, 'the best workflow engine');
  over('W3', 'best', ['graphile-worker'], 1, 'graphile-worker');
  const step = value('W4', 'perdure', 'msPerStep');
  const quickest = best('W4', [...engines, 'restate', 'graphile-worker', 'pg-boss'], 'msPerStep', true);
  if (step && quickest) {
    atMost(
      'W4',
      'a step <= 0.6 × the best peer',
      step / quickest[1],
      0.6,
      `${format(step / quickest[1], 2)} × ${quickest[0]}`,
    );
  }
  const edges = value('W4', 'perdure', 'lastToFirst');
  atMost('W4', 'the last 200 steps <= 1.1 × the first 200', edges, 1.1, `${format(edges, 2)} ×`);
  const replay = value('W4', 'perdure', 'coldReplayMs');
  atMost('W4', 'cold replay < 200 ms', replay, 200, `${format(replay, 0)} ms`);
  over('W5', 'perSecond', [...engines, 'restate'], 10, 'the best peer');
  const statements = value('W6', 'perdure', 'statementsPerSecond');
  atMost('W6', '< 2 statements a second', statements, 2, format(statements, 1));
  const calmest = best('W6', [...engines, 'restate', 'graphile-worker', 'pg-boss'], 'cpuPercent', true);
  const cpu = value('W6', 'perdure', 'cpuPercent');
  if (calmest && cpu !== undefined) {
    atMost(
      'W6',
      'no more CPU than the best peer',
      cpu / calmest[1],
      1,
      `${format(cpu, 2)} % against ${format(calmest[1], 2)} % (${calmest[0]})`,
    );
  }
  atLeast('W7', 'throughput >= 90 % of the empty store', value('W7', 'perdure', 'throughputRatio'), 0.9);
  atLeast('W7', 'speed of one >= 90 % of the empty store', value('W7', 'perdure', 'latencyRatio'), 0.9);
  for (const number of [2, 4]) {
    const one = value('W8', 'perdure', 'processes1');
    if (one)
      atLeast('W8', `${number} processes: no loss against one`, value('W8', 'perdure', `processes${number}`) / one, 1);
  }
  const fights = ['deadlocks', 'rollbacks', 'lockWaits'].map((name) => value('W8', 'perdure', name));
  if (fights[0] !== undefined) {
    const sum = fights.reduce((a, b) => a + b, 0);
    atMost('W8', 'no deadlock, failed transaction or lock wait', sum, 0, fights.join(', '));
  }
  const byId = value('W9', 'perdure', 'perSecond');
  if (byId) atLeast('W9', '>= 5,000 by id a second', byId, 5_000, format(byId, 0));
  const page = value('W9', 'perdure', 'listP95');
  atMost('W9', 'page p95 < 20 ms', page, 20, `${format(page, 1)} ms`);
  const peak = value('memory', 'perdure', 'peakMb');
  atMost('memory', '< 512 MB', peak, 512, `${format(peak, 0)} MiB`);
  return rows;
}

function format(value, digits) {
  if (typeof value !== 'number' || !Number.isFinite(value)) return '';
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function oneLine(text) {
  return text.split('\n')[0].slice(0, 160).replaceAll('|', '/');
}
