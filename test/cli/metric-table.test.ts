import { readFileSync } from 'node:fs';

import { expect, it } from 'vitest';

import { MetricsPage } from '../../src/admin/metrics-page.ts';
import { withMetricTable } from '../../src/cli/metric-table.ts';
import { sampleReading } from '../admin/sample-source.ts';

const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

/** Prettier sets the columns of tables; what it says is what counts. */
function withoutLayout(markdown: string): string {
  return markdown.replaceAll(/ +/g, ' ').replaceAll(/-{3,}/g, '---').trim();
}

it('the README has the metrics as they are: else `npm run docs:metrics`', () => {
  expect(withoutLayout(withMetricTable(README))).toBe(withoutLayout(README));
});

it('whatever /metrics says is in the README', async () => {
  const page = new MetricsPage(
    { readMetrics: () => sampleReading() },
    { version: '0.1.0', nodeVersion: '20.19.0', newestVersion: 1 },
  );
  const names = [...(await page.text()).matchAll(/^# TYPE (\S+) (\S+)$/gm)];
  expect(names.length).toBeGreaterThan(40);
  for (const [, name, type] of names) expect(withoutLayout(README)).toContain(`| \`${name}\` | ${type} |`);
});

it('a README needs the markers', () => {
  expect(() => withMetricTable('# Torc')).toThrow('no markers');
});
