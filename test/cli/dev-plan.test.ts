import { describe, expect, it } from 'vitest';
import { planNodes, variablesOf, type DevRequest } from '../../src/cli/dev-plan.ts';
import { parseConfigFile } from '../../src/settings/config-file.ts';
import { loadSettings } from '../../src/settings/load.ts';

const MACHINE = { memoryBytes: 3000, hostName: 'box' };
const REQUEST: DevRequest = {
  nodes: 3,
  port: 6379,
  directory: '.torc',
  flags: {},
  environment: {},
  file: null,
  machine: MACHINE,
};

describe('the plan of torc dev', () => {
  it('gives node i the ports from P + i on, and all the same seeds', () => {
    const nodes = planNodes(REQUEST);
    expect(nodes.map(({ id }) => id)).toEqual(['node-0', 'node-1', 'node-2']);
    expect(nodes.map(({ dataDirectory }) => dataDirectory)).toEqual([
      '.torc/node-0',
      '.torc/node-1',
      '.torc/node-2',
    ]);
    expect(nodes.map(({ clientPort }) => clientPort)).toEqual([6379, 6380, 6381]);
    expect(nodes.map(({ adminPort }) => adminPort)).toEqual([8379, 8380, 8381]);
    for (const { seeds } of nodes) expect(seeds.map(({ port }) => port)).toEqual([16_379, 16_380, 16_381]);
  });

  it('refuses ports that end above the highest, by the option that is to be changed', () => {
    expect(() => planNodes({ ...REQUEST, port: 55_534 })).toThrow(
      /^--port: 55534 is too high for 3 nodes: their peer ports end at 65536; 55533 is the highest\.$/,
    );
    expect(planNodes({ ...REQUEST, port: 55_533 })).toHaveLength(3);
  });

  it('shares a percentage of the memory among the nodes, and gives each what was said in bytes', () => {
    expect(planNodes(REQUEST)[0].maxmemoryBytes).toBe(600);
    expect(planNodes({ ...REQUEST, flags: { maxmemory: '100%' } })[0].maxmemoryBytes).toBe(1000);
    // So that CONFIG SET of one means the same.
    expect(planNodes(REQUEST)[0].memorySharedBy).toBe(3);
    expect(planNodes({ ...REQUEST, flags: { maxmemory: '5mb' } })[0].maxmemoryBytes).toBe(5 * 1024 * 1024);
  });

  it('takes shared settings from everywhere, and what is a node alone from nowhere', () => {
    const [node] = planNodes({
      ...REQUEST,
      flags: { durability: 'buffered' },
      environment: { TORC_PEER_PORT: '1', TORC_TIMEOUT: '9', TORC_DURABILITY: 'fsync' },
      file: parseConfigFile('id other\nadmin-port 2\nmaxclients 8', 'torc.conf'),
    });
    expect(node).toMatchObject({
      id: 'node-0',
      peerPort: 16_379,
      adminPort: 8379,
      idleTimeoutSeconds: 9,
      maxclients: 8,
      durability: 'buffered',
    });
  });

  it('writes logs for people unless told otherwise', () => {
    expect(planNodes(REQUEST)[0].logFormat).toBe('pretty');
    expect(planNodes({ ...REQUEST, environment: { TORC_LOG_FORMAT: 'json' } })[0].logFormat).toBe('json');
    expect(planNodes({ ...REQUEST, file: parseConfigFile('log-format json', 'f') })[0].logFormat).toBe(
      'json',
    );
  });

  it('hands every setting to the process of its node', () => {
    const [, node] = planNodes({ ...REQUEST, flags: { requirepass: 'hush', maxmemory: '0' } });
    expect(loadSettings({ environment: variablesOf(node), machine: MACHINE })).toEqual(node);
  });
});
