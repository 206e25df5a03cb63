import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { MetricsPage } from '../../src/admin/metrics-page.ts';
import { sampleReading } from '../admin/sample-source.ts';

const installed = spawnSync('promtool', ['--version']).status === 0;

it.skipIf(!installed)('promtool finds nothing to say about the metrics', async () => {
  const build = { version: '0.1.0', nodeVersion: 'v20.20.2', newestVersion: 1 };
  const text = await new MetricsPage({ readMetrics: sampleReading }, build).text();
  const checked = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
  expect(`${checked.stdout}${checked.stderr}`).toBe('');
  expect(checked.status).toBe(0);
});
