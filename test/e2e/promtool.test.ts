import { spawnSync } from 'node:child_process';
import { dirname } from 'node:path';
import { expect, it } from 'vitest';
import { MetricsPage } from '../../src/admin/metrics-page.ts';
import { sampleReading } from '../admin/sample-source.ts';
import { RULES_PATH } from '../dashboards/definitions.ts';

const installed = spawnSync('promtool', ['--version']).status === 0;

it.skipIf(!installed)('promtool finds nothing to say about the metrics', async () => {
  const build = { version: '0.1.0', nodeVersion: 'v20.20.2', newestVersion: 1 };
  const text = await new MetricsPage({ readMetrics: sampleReading }, build).text();
  const checked = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
  expect(`${checked.stdout}${checked.stderr}`).toBe('');
  expect(checked.status).toBe(0);
});

it.skipIf(!installed)('promtool finds the rules right, and each alert passes its tests', () => {
  const directory = dirname(RULES_PATH);
  for (const words of [
    ['check', 'rules', 'torc.rules.yml'],
    ['test', 'rules', 'torc.test.yml'],
  ]) {
    const { stdout, stderr, status } = spawnSync('promtool', words, { cwd: directory, encoding: 'utf8' });
    expect(status, `${stdout}${stderr}`).toBe(0);
  }
});
