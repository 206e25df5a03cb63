/** No metric without a panel, or a reason; no panel and no alert of a metric that there is not. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

import { BUILD_INFO, METRIC_ROWS } from '../../src/admin/metric-rows.ts';
import { alerts, metricsIn, panelQueries, recordings, RULES_PATH } from './definitions.ts';
import { WITHOUT_DATA, WITHOUT_PANEL } from './reasons.ts';

/** A histogram's series have names of their own. */
const PARTS = ['_bucket', '_sum', '_count'] as const;
const KNOWN = new Map([...METRIC_ROWS, BUILD_INFO].map(({ name, type }) => [name, type]));
const RECORDED = recordings();

function metricOf(name: string): string {
  const part = PARTS.find((one) => name.endsWith(one));
  const whole = part === undefined ? name : name.slice(0, -part.length);
  return KNOWN.get(whole) === 'histogram' ? whole : name;
}

/** Through what is recorded. */
function rawMetrics(expression: string): string[] {
  return metricsIn(expression).flatMap((name) => {
    const recorded = RECORDED.get(name);
    return recorded === undefined ? [metricOf(name)] : rawMetrics(recorded);
  });
}

function isLasting(alert: string): boolean {
  const rules = readFileSync(RULES_PATH, 'utf8').split('- alert: ');
  return rules.some((rule) => rule.startsWith(`${alert}\n`) && /^ +for: /m.test(rule));
}

const shown = new Set(panelQueries().flatMap(({ expression }) => rawMetrics(expression)));

describe('the dashboards', () => {
  it('show each metric, or it is said why not', () => {
    expect([...KNOWN.keys()].filter((name) => !shown.has(name) && WITHOUT_PANEL[name] === undefined)).toEqual(
      [],
    );
  });

  it('and the reasons are of metrics that there are, and that no panel shows', () => {
    expect(Object.keys(WITHOUT_PANEL).filter((name) => !KNOWN.has(name) || shown.has(name))).toEqual([]);
    expect(Object.keys(WITHOUT_DATA).filter((name) => !shown.has(name))).toEqual([]);
  });

  it('ask for nothing that is not told', () => {
    const asked = [...shown, ...[...RECORDED.values()].flatMap(rawMetrics)];
    expect(asked.filter((name) => name !== 'up' && !KNOWN.has(name))).toEqual([]);
  });
});

describe('the alerts', () => {
  it('ask for nothing that is not told, and say in one line what to do', () => {
    expect(alerts().length).toBeGreaterThan(20);
    for (const { name, expression, summary, runbook } of alerts()) {
      const unknown = rawMetrics(expression).filter((metric) => metric !== 'up' && !KNOWN.has(metric));
      expect(unknown, name).toEqual([]);
      expect(rawMetrics(expression).length, name).toBeGreaterThan(0);
      expect(summary.length, name).toBeGreaterThan(20);
      expect(runbook.length, name).toBeGreaterThan(60);
    }
  });

  it('are each tried: with what raises it, and with what does not', () => {
    const tests = readFileSync(RULES_PATH.replace('.rules.', '.test.'), 'utf8');
    for (const { name } of alerts()) {
      const [raised, quiet] = [`${name} is raised`, `${name} is not`].map((title) =>
        tests.split('- name: ').find((text) => text.startsWith(`${title}\n`)),
      );
      expect(raised, name).toContain('exp_alerts:');
      expect(quiet, name).toContain(`alertname: ${name}`);
      expect(quiet, name).not.toContain('exp_alerts:');
      // One that has to last for a while is not raised before.
      const tries = raised?.split('- eval_time: ').slice(1) ?? [];
      expect(tries.length, name).toBe(isLasting(name) ? 2 : 1);
      if (isLasting(name)) expect(tries[0], name).not.toContain('exp_alerts:');
    }
  });
});
