import { describe, expect, it } from 'vitest';
import { configGet, configSet } from '../../src/settings/config-command.ts';
import { loadSettings } from '../../src/settings/load.ts';
import { rowOf, SETTING_KEYS, type Settings } from '../../src/settings/rows.ts';
import { clusterScoped, redacted, secretsOf } from '../../src/settings/views.ts';

const MEMORY_BYTES = 1000;

function load(flags: Record<string, string> = {}): Settings {
  return loadSettings({ flags, machine: { memoryBytes: MEMORY_BYTES, hostName: 'box' } });
}

function get(settings: Settings, matches: (name: string) => boolean): Map<string, string> {
  const found = new Map<string, string>();
  configGet(settings, matches, (name, value) => {
    expect(found.has(name), name).toBe(false);
    found.set(name, value);
  });
  return found;
}

describe('CONFIG GET', () => {
  it('answers each name and alias once', () => {
    const all = get(load(), () => true);
    for (const key of SETTING_KEYS) {
      expect(all.has(rowOf(key).name)).toBe(true);
      for (const alias of rowOf(key).aliases ?? []) expect(all.get(alias)).toBe(all.get(rowOf(key).name));
    }
  });

  it('answers as Redis does where Redis has the setting', () => {
    const all = get(load({ maxmemory: '1mb', durability: 'buffered' }), () => true);
    const expected = {
      save: '',
      appendonly: 'yes',
      appendfsync: 'everysec',
      databases: '16',
      maxmemory: '1048576',
      'maxmemory-policy': 'noeviction',
      timeout: '0',
      port: '6379',
      'proto-max-bulk-len': '67108864',
      'hash-max-listpack-entries': '512',
      'hash-max-ziplist-value': '64',
      'slowlog-log-slower-than': '10000',
      'protected-mode': 'yes',
      maxclients: '10000',
      // Tools take it apart: redis_exporter before 1.81 ends with a panic when it finds no four words a class.
      'client-output-buffer-limit': 'normal 268435456 0 0 slave 268435456 0 0 pubsub 268435456 0 0',
    };
    for (const [name, value] of Object.entries(expected)) expect(all.get(name), name).toBe(value);
  });

  it('masks secrets', () => {
    const all = get(
      load({ requirepass: 'hush' }),
      (name) => name === 'requirepass' || name === 'peer-secret',
    );
    expect(Object.fromEntries(all)).toEqual({ requirepass: '(secret)', 'peer-secret': '' });
  });
});

describe('CONFIG SET', () => {
  it('takes what CONFIG GET tells', () => {
    const settings = load();
    const live = SETTING_KEYS.map(rowOf).filter((row) => row.changed === 'live' && row.secret !== true);
    const told = get(settings, () => true);
    const pairs = live.flatMap(({ name }) => [name, String(told.get(name))]);
    expect(configSet(settings, pairs, MEMORY_BYTES)).toEqual({ ok: true, changed: [] });
  });

  it.each([
    ['128mb', 128],
    ['normal 128mb 0 0', 128],
    ['pubsub 96mb 0 0 Replica 96mb 0 0', 96],
    ['normal 0 0 0 slave 256mb 64mb 60 pubsub 32mb 8mb 60', null],
    ['normal 128mb 0 0 pubsub 96mb 0 0', null],
    ['normal 128mb 0', null],
    ['master 128mb 0 0', null],
    ['normal 128mb 0 60', null],
    ['', null],
  ])('client-output-buffer-limit %j', (text, limitMib) => {
    const settings = load();
    const outcome = configSet(settings, ['client-output-buffer-limit', text], MEMORY_BYTES);
    expect(outcome.ok).toBe(limitMib !== null);
    expect(settings.outputBufferLimitBytes).toBe((limitMib ?? 256) * 1024 * 1024);
  });

  it('changes live settings in place and tells which changed', () => {
    const settings = load();
    const pairs = ['maxmemory', '50%', 'TIMEOUT', '7', 'maxclients', '10000', 'save', ''];
    expect(configSet(settings, pairs, MEMORY_BYTES)).toEqual({
      ok: true,
      changed: ['maxmemoryBytes', 'idleTimeoutSeconds'],
    });
    expect(settings.maxmemoryBytes).toBe(500);
    expect(settings.idleTimeoutSeconds).toBe(7);
  });

  it.each([
    [['foo', 'bar'], 'unknown', 'foo', 'unknown option'],
    [['databases', '1'], 'immutable', 'databases', "can't set immutable config"],
    [['maxclients', '1', 'maxclients', '2'], 'invalid', 'maxclients', 'duplicate parameter'],
    [['client-port', '1'], 'immutable', 'client-port', 'client-port changes only at start of the node'],
    [
      ['maxmemory-policy', 'allkeys-lru'],
      'immutable',
      'maxmemory-policy',
      'maxmemory-policy is a setting of the cluster: it changes only at start, on all nodes',
    ],
    [
      ['timeout', 'x'],
      'invalid',
      'timeout',
      "timeout: 'x' is not allowed: it must be a whole number from 0 to 2147483647 (s).",
    ],
    [
      ['proto-max-bulk-len', '512mb'],
      'invalid',
      'maxmemory',
      'client-query-buffer-limit: 268435456 is not allowed: it must be above proto-max-bulk-len (536870912).',
    ],
  ])('refuses %j and changes nothing', (pairs, kind, name, reason) => {
    const settings = load();
    expect(configSet(settings, ['maxmemory', '1', ...pairs], MEMORY_BYTES)).toEqual({
      ok: false,
      refusal: { kind, name, reason },
    });
    expect(settings).toEqual(load());
  });
});

describe('views', () => {
  it("takes a percentage of the part of the memory that is this node's, as at its start", () => {
    const settings = load({ maxmemory: '60%', 'memory-shared-by': '4' });
    expect(settings.maxmemoryBytes).toBe(150);
    expect(configSet(settings, ['maxmemory', '40%'], MEMORY_BYTES).ok).toBe(true);
    expect(settings.maxmemoryBytes).toBe(100);
  });

  it('hands the cluster-scoped settings to the handshake, without secrets', () => {
    expect(clusterScoped(load({ 'peer-secret': 'hush' }))).toEqual({
      durability: 'fsync',
      'replication-factor': '3',
      'place-replicas': 'yes',
      'replace-after': '600',
      'ring-vnodes': '8',
      'heartbeat-interval-ms': '60',
      'election-timeout-ms': '400',
      'election-spread-ms': '200',
      'rebalance-auto': 'yes',
      'rebalance-by': 'slots',
      'maxmemory-policy': 'noeviction',
      'hash-max-listpack-entries': '512',
      'hash-max-listpack-value': '64',
    });
  });

  it('masks secrets for logs, and knows their values', () => {
    const settings = load({ requirepass: 'hush', 'peer-secret': 'hush-hush' });
    expect(JSON.stringify(redacted(settings))).not.toContain('hush');
    expect(secretsOf(settings)).toEqual(['hush', 'hush-hush']);
  });
});
