/** What the dashboards ask Prometheus for, and what its rules make of the metrics. */
import { readdirSync, readFileSync } from 'node:fs';

const ROOT = new URL('../../dashboards/', import.meta.url);

export interface PanelQuery {
  /** `overview / Nodes up`. */
  panel: string;
  expression: string;
}

interface Panel {
  type: string;
  title: string;
  targets?: { expr: string }[];
}

export const RULES_PATH = new URL('rules/torc.rules.yml', ROOT).pathname;

export function panelQueries(): PanelQuery[] {
  const directory = new URL('grafana/dashboards/', ROOT);
  return readdirSync(directory).flatMap((file) => {
    const { panels } = JSON.parse(readFileSync(new URL(file, directory), 'utf8')) as { panels: Panel[] };
    const name = file.replace('.json', '');
    return panels
      .filter(({ type }) => type !== 'row')
      .flatMap(({ title, targets = [] }) => {
        if (targets.length === 0) throw new Error(`${name} / ${title} asks for nothing`);
        return targets.map(({ expr }) => ({ panel: `${name} / ${title}`, expression: expr }));
      });
  });
}

/** Recorded names and what they are made of. */
export function recordings(): ReadonlyMap<string, string> {
  const rules = readFileSync(RULES_PATH, 'utf8');
  return new Map(
    [...rules.matchAll(/- record: (\S+)\n\s+expr: (.+)\n/g)].map(([, name, expr]) => [name, expr]),
  );
}

export interface Alert {
  name: string;
  expression: string;
  summary: string;
  runbook: string;
}

export function alerts(): Alert[] {
  const rules = readFileSync(RULES_PATH, 'utf8');
  return rules
    .split(/^\s+- alert: /m)
    .slice(1)
    .map((text) => ({
      name: /^\S+/.exec(text)?.[0] ?? '',
      expression: /expr: (.+)/.exec(text)?.[1] ?? '',
      summary: /summary: (.+)/.exec(text)?.[1] ?? '',
      runbook: /runbook: (.+)/.exec(text)?.[1] ?? '',
    }));
}

/** The metrics in an expression: Torc's own, recorded ones, and what all processes have. */
export function metricsIn(expression: string): string[] {
  const names = expression.replaceAll(/"[^"]*"/g, '""').match(/\b(?:torc[_:][\w:]+|process_\w+|up)\b/g) ?? [];
  return [...new Set(names)];
}
