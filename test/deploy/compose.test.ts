/** The container files, where a mistake would only show once somebody runs them: names and ports that must agree. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

/** With one kind of quotes, and flow lists without inner spaces. */
const compose = read('docker-compose.yml')
  .replaceAll("'", '"')
  .replaceAll(/\[ | \]/g, (bracket) => bracket.trim());
const dockerfile = read('Dockerfile');
const prometheus = read('dashboards/prometheus.yml');

const CLIENT_PORT = 6379;
const REDIRECT_PORT = CLIENT_PORT + 1000;
const ADMIN_PORT = CLIENT_PORT + 2000;
const PEER_PORT = CLIENT_PORT + 10000;

const nodes = ['torc1', 'torc2', 'torc3'];

/** The lines of one service, by its indentation. */
function service(name: string): string {
  const match = new RegExp(`^  ${name}:\\n((?: {4}.*\\n|\\n)+)`, 'm').exec(
    compose.slice(compose.indexOf('\nservices:')),
  );
  if (match === null) throw new Error(`no service ${name}`);
  return match[1];
}

function publishedPorts(): { address: string; port: number; inside: number }[] {
  return [...compose.matchAll(/"([\d.]+):(\d+):(\d+)"/g)].map(([, address, port, inside]) => {
    return { address, port: Number(port), inside: Number(inside) };
  });
}

describe('docker-compose.yml', () => {
  test('gives each node its own name, id, announced host and volume', () => {
    for (const name of nodes) {
      expect(service(name)).toContain(`hostname: ${name}\n`);
      expect(service(name)).toContain(`TORC_ID: ${name}\n`);
      expect(service(name)).toContain(`TORC_ANNOUNCE_HOST: ${name}\n`);
      expect(service(name)).toContain(`volumes: ["${name}:/data"]`);
      expect(compose.slice(compose.indexOf('\nvolumes:'))).toContain(`\n  ${name}:\n`);
    }
  });

  test('gives all nodes one list of seeds: their announced peer addresses', () => {
    const seeds = nodes.map((name) => `${name}:${PEER_PORT}`).join(',');
    expect(compose.match(/--seeds/g)).toHaveLength(1);
    expect(compose).toContain(`command: ["start", "--seeds", "${seeds}"]`);
    for (const name of nodes) expect(service(name)).toContain('<<: *torc\n');
  });

  test('listens on all addresses, and so demands a password and a secret, none of which it holds', () => {
    expect(compose).toContain('TORC_BIND: 0.0.0.0\n');
    expect(compose).toMatch(/TORC_REQUIREPASS: \$\{TORC_REQUIREPASS:\?.+\}/);
    expect(compose).toMatch(/TORC_PEER_SECRET: \$\{TORC_PEER_SECRET:\?.+\}/);
    for (const name of nodes) expect(service(name)).toContain('<<: *environment\n');
  });

  test('publishes on loopback alone, no port twice, and no peer port', () => {
    const published = publishedPorts();
    expect(published).toHaveLength(2 * nodes.length + 2);
    expect(new Set(published.map(({ port }) => port)).size).toBe(published.length);
    expect(new Set(published.map(({ address }) => address))).toEqual(new Set(['127.0.0.1']));
    expect(published.map(({ inside }) => inside)).not.toContain(PEER_PORT);
    // An address is never left out: that would publish to the whole network.
    expect(compose.match(/"\d+:\d+"/g)).toBeNull();
    for (const name of nodes) {
      expect(service(name)).toContain(`:${CLIENT_PORT}"`);
      expect(service(name)).toContain(`:${ADMIN_PORT}"`);
    }
  });
});

describe('dashboards/prometheus.yml', () => {
  test('scrapes the admin port of every node, and is the file that is mounted', () => {
    const targets = [...prometheus.matchAll(/^\s+- (\S+:\d+)$/gm)].map((match) => match[1]);
    expect(targets).toEqual(nodes.map((name) => `${name}:${ADMIN_PORT}`));
    expect(service('prometheus')).toContain('./dashboards/prometheus.yml:/etc/prometheus/prometheus.yml:ro');
  });
});

describe('dashboards/grafana', () => {
  test('is what Grafana is provisioned with', () => {
    expect(service('prometheus')).toContain('./dashboards/rules:/etc/prometheus/rules:ro');
    expect(prometheus).toContain('rule_files: [/etc/prometheus/rules/torc.rules.yml]');
    expect(service('grafana')).toContain('./dashboards/grafana/provisioning:/etc/grafana/provisioning:ro');
    const provider = read('dashboards/grafana/provisioning/dashboards/torc.yml');
    const [, path] = /path: (\S+)/.exec(provider) ?? [];
    expect(service('grafana')).toContain(`./dashboards/grafana/dashboards:${path}:ro`);
    const datasource = read('dashboards/grafana/provisioning/datasources/prometheus.yml');
    expect(datasource).toContain('url: http://prometheus:9090');
    const [, uid] = /uid: (\S+)/.exec(datasource) ?? [];
    for (const name of ['overview', 'shards', 'rebalance']) {
      const dashboard = read(`dashboards/grafana/dashboards/${name}.json`);
      expect(
        [...dashboard.matchAll(/"type": "prometheus",\s+"uid": "(\w+)"/g)].every((match) => match[1] === uid),
      ).toBe(true);
    }
  });
});

describe('Dockerfile', () => {
  test('runs the built command line as a plain user, with its data in the volume', () => {
    const { bin } = JSON.parse(read('package.json')) as { bin: { torc: string } };
    expect(dockerfile).toContain(`ENTRYPOINT ["node", "${bin.torc}"]`);
    expect(dockerfile.indexOf('\nUSER node\n')).toBeGreaterThan(dockerfile.lastIndexOf('\nFROM '));
    expect(dockerfile.lastIndexOf('\nRUN ')).toBeLessThan(dockerfile.indexOf('\nUSER node\n'));
    expect(dockerfile).toContain('\nVOLUME /data\n');
    expect(dockerfile).toContain('TORC_DATA=/data');
  });

  test('exposes the four ports, and asks the admin port for health', () => {
    expect(dockerfile).toContain(`\nEXPOSE ${CLIENT_PORT} ${REDIRECT_PORT} ${ADMIN_PORT} ${PEER_PORT}\n`);
    expect(dockerfile).toMatch(
      new RegExp(`HEALTHCHECK[\\s\\S]*http://127\\.0\\.0\\.1:[\\s\\S]*${ADMIN_PORT}[\\s\\S]*/livez`),
    );
  });

  test('gets all that it copies past .dockerignore', () => {
    const kept = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap((match) =>
      match[1].split(' '),
    );
    expect(copied.length).toBeGreaterThan(0);
    expect(copied.filter((path) => !kept.includes(path))).toEqual([]);
  });
});
