/** The metrics of a node as the README's table. */
import { BUILD_INFO, METRIC_ROWS } from '../admin/metric-rows.ts';
import { withSection } from './readme-section.ts';

const SECTION = {
  begin: '<!-- metrics: written by `npm run docs:metrics` -->',
  end: '<!-- end of metrics -->',
};

/** The README with the table as it should be. Throws when its markers are not there. */
export function withMetricTable(readme: string): string {
  return withSection(readme, SECTION, metricTable());
}

function metricTable(): string {
  const lines = [...METRIC_ROWS, BUILD_INFO].map(({ name, type, labels, help }) => {
    const labelCell = labels.map((label) => `\`${label}\``).join(', ');
    return `| \`${name}\` | ${type} | ${labelCell} | ${help} |`;
  });
  return ['| Metric | Type | Labels | Meaning |', '| --- | --- | --- | --- |', ...lines].join('\n');
}
