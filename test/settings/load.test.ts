import { describe, expect, it } from 'vitest';
import { PRESETS } from '../../src/gossip/presets.ts';
import { gossipSettingsOf } from '../../src/settings/derived.ts';
import { parseConfigFile } from '../../src/settings/config-file.ts';
import { loadSettings, SettingError, type SettingSources } from '../../src/settings/load.ts';
import { rowOf, SETTING_KEYS, variableOf, type Settings } from '../../src/settings/rows.ts';

const MACHINE = { memoryBytes: 10_000, hostName: 'box' };

function load(sources: Omit<SettingSources, 'machine'> = {}): Settings {
  return loadSettings({ ...sources, machine: MACHINE });
}

function refusal(sources: Omit<SettingSources, 'machine'>): string {
  try {
    load(sources);
  } catch (error) {
    expect(error).toBeInstanceOf(SettingError);
    return (error as SettingError).message;
  }
  throw new Error('these settings were accepted');
}

describe('defaults', () => {
  it('gives every setting a value that formats and parses back to itself', () => {
    const settings = load();
    for (const key of SETTING_KEYS) {
      const { kind } = rowOf(key);
      expect(kind.parse(kind.format(settings[key])), key).toEqual(settings[key]);
    }
  });

  it('places the other ports by their distance from the client port', () => {
    const settings = load({ flags: { 'client-port': '7001' } });
    expect([settings.redirectPort, settings.adminPort, settings.peerPort]).toEqual([8001, 9001, 17_001]);
    expect(settings.announcePeerPort).toBe(17_001);
    expect(settings.id).toBe('node-7001');
    expect(settings.dataDirectory).toBe('.torc/node-7001');
    expect(settings.seeds).toEqual([{ host: '127.0.0.1', port: 17_001 }]);
  });

  it('announces what was given rather than what it listens on', () => {
    const settings = load({ flags: { 'announce-host': 'torc-1', 'announce-peer-port': '443' } });
    expect(settings.seeds).toEqual([{ host: 'torc-1', port: 443 }]);
    expect(settings.peerPort).toBe(16_379);
  });

  it("announces the machine's name when it listens everywhere", () => {
    expect(load({ flags: { bind: '0.0.0.0', 'protected-mode': 'no' } }).announceHost).toBe('box');
  });

  it("takes 60 % of the machine's memory", () => {
    expect(load().maxmemoryBytes).toBe(6000);
  });
});

describe('precedence', () => {
  const file = parseConfigFile('maxclients 1\ntimeout 1\nslowlog-max-len 1', 'torc.conf');
  const environment = { TORC_MAXCLIENTS: '2', TORC_TIMEOUT: '2' };

  it('is flag, variable, file, default', () => {
    const settings = load({ flags: { maxclients: '3' }, environment, file });
    expect(settings.maxclients).toBe(3);
    expect(settings.idleTimeoutSeconds).toBe(2);
    expect(settings.slowlogMaxLen).toBe(1);
    expect(settings.parkTimeoutMs).toBe(2000);
  });

  it('takes an empty variable for one that was not given', () => {
    expect(load({ environment: { TORC_MAXCLIENTS: '' }, file }).maxclients).toBe(1);
  });

  it('gives every setting a variable of its own', () => {
    const variables = SETTING_KEYS.map((key) => variableOf(rowOf(key)));
    expect(new Set(variables).size).toBe(SETTING_KEYS.length);
    for (const variable of variables) expect(variable).toMatch(/^TORC_[A-Z0-9_]+$/);
  });
});

describe('values', () => {
  it.each([
    ['64', 64],
    ['1k', 1000],
    ['1kb', 1024],
    ['64mb', 64 * 1024 * 1024],
    ['2M', 2_000_000],
    ['1GB', 1024 ** 3],
    ['50%', 5000],
    ['0', 0],
  ])('reads maxmemory %s', (text, bytes) => {
    expect(load({ flags: { maxmemory: text } }).maxmemoryBytes).toBe(bytes);
  });

  it.each([
    [
      'client-port',
      '0',
      "client-port: '0' (from --client-port) is not allowed: it must be a port from 1 to 65535.",
    ],
    [
      'client-port',
      'http',
      "client-port: 'http' (from --client-port) is not allowed: it must be a port from 1 to 65535.",
    ],
    [
      'durability',
      'memory',
      "durability: 'memory' (from --durability) is not allowed: it must be fsync or buffered.",
    ],
    [
      'replication-factor',
      '2',
      "replication-factor: '2' (from --replication-factor) is not allowed: it must be an odd number from 1 to 7.",
    ],
    [
      'protected-mode',
      'true',
      "protected-mode: 'true' (from --protected-mode) is not allowed: it must be yes or no.",
    ],
    [
      'wal-segment-bytes',
      '1kb',
      "wal-segment-bytes: '1kb' (from --wal-segment-bytes) is not allowed: it must be a size from 1mb to 4gb, such as 1048576, 64mb or 1gb.",
    ],
    [
      'seeds',
      'a:1,a:1',
      "seeds: 'a:1,a:1' (from --seeds) is not allowed: it must be a list such as 10.0.0.1:16379,10.0.0.2:16379 without repetitions.",
    ],
    [
      'id',
      'a b',
      "id: 'a b' (from --id) is not allowed: it must be 1 to 64 letters, digits, dots, dashes or underscores.",
    ],
    [
      'park-timeout-ms',
      '1.5',
      "park-timeout-ms: '1.5' (from --park-timeout-ms) is not allowed: it must be a whole number from 0 to 600000 (ms).",
    ],
  ])('refuses %s %s in one sentence', (name, text, sentence) => {
    expect(refusal({ flags: { [name]: text } })).toBe(sentence);
  });

  it('names a flag as it was given', () => {
    const why = refusal({ flags: { seeds: 'foo' }, flagsGivenAs: { seeds: 'join' } });
    expect(why).toMatch(/^seeds: 'foo' \(from --join\) is not allowed/);
  });

  it.each(['', '101%', '0%', '-1', '1.5gb', '60 %', 'lots', '99999999999999999999'])(
    'refuses maxmemory %j',
    (text) => {
      expect(refusal({ flags: { maxmemory: text } })).toContain('maxmemory:');
    },
  );

  it.each(['a', 'a:', ':1', 'a:0', 'a:65536', '[::1]', '[::1:1', 'a b:1', 'http://a:1'])(
    'refuses seeds %j',
    (text) => {
      expect(refusal({ flags: { seeds: text } })).toContain('seeds:');
    },
  );

  it('reads seeds with names, IPv4 and IPv6', () => {
    const settings = load({ flags: { seeds: 'torc-0:16379, 10.0.0.1:16380,[fe80::1]:16381' } });
    expect(settings.seeds).toEqual([
      { host: 'torc-0', port: 16_379 },
      { host: '10.0.0.1', port: 16_380 },
      { host: 'fe80::1', port: 16_381 },
    ]);
    expect(rowOf('seeds').kind.format(settings.seeds)).toBe('torc-0:16379,10.0.0.1:16380,[fe80::1]:16381');
  });

  it('names the variable or the file that a bad value came from', () => {
    expect(refusal({ environment: { TORC_CLIENT_PORT: 'tcp://10.0.0.1' } })).toContain(
      '(from TORC_CLIENT_PORT)',
    );
    expect(refusal({ file: parseConfigFile('weight heavy', 'torc.conf') })).toContain('(from torc.conf)');
  });

  it('takes whole weights alone: shares are counted in slots', () => {
    expect(load({ flags: { weight: '3' } }).weight).toBe(3);
    for (const weight of ['0', '0.5', '1000001']) expect(refusal({ flags: { weight } })).toContain('weight:');
  });

  it('does not show a secret', () => {
    expect(refusal({ flags: { requirepass: 'two words' } })).not.toContain('two words');
  });
});

describe('rules over several settings', () => {
  it('wants secrets to listen elsewhere than on loopback', () => {
    expect(refusal({ flags: { bind: '0.0.0.0' } })).toBe(
      "bind: '0.0.0.0' is not loopback and requirepass and peer-secret are not set: set them, or say --protected-mode no.",
    );
    expect(refusal({ flags: { bind: '10.0.0.1', requirepass: 'x' } })).toContain(
      'and peer-secret is not set',
    );
    expect(load({ flags: { bind: '0.0.0.0', requirepass: 'x', 'peer-secret': 'y' } }).bind).toBe('0.0.0.0');
    expect(load({ flags: { bind: '0.0.0.0', 'protected-mode': 'no' } }).protectedMode).toBe(false);
    for (const bind of ['127.0.0.1', '127.1.2.3', '::1', 'localhost'])
      expect(load({ flags: { bind } }).bind).toBe(bind);
    for (const bind of ['127.evil.example', '128.0.0.1', '::'])
      expect(refusal({ flags: { bind } })).toContain('bind:');
  });

  it('wants ports that exist and differ', () => {
    expect(refusal({ flags: { 'client-port': '60000' } })).toContain('peer-port: its default 70000');
    expect(refusal({ flags: { 'admin-port': '6379' } })).toBe(
      'admin-port: 6379 is the client-port already: the ports of a node must differ.',
    );
  });

  it('wants a host to announce that others can connect to', () => {
    for (const host of ['0.0.0.0', '::'])
      expect(refusal({ flags: { 'announce-host': host } })).toContain('a host that others can connect to');
  });

  it('wants heartbeats that fit into the election timeout', () => {
    expect(refusal({ flags: { 'heartbeat-interval-ms': '200' } })).toContain('at most 133, a third of');
  });

  it('wants others to be asked within the interval of a probe, and takes what the preset has', () => {
    const refused = refusal({ flags: { 'gossip-probe-timeout-ms': '1000' } });
    expect(refused).toContain('must be below gossip-probe-interval-ms (1000)');
    const settings = load({ flags: { 'gossip-preset': 'wan', 'gossip-suspicion-mult': '5' } });
    expect(gossipSettingsOf(settings)).toEqual({ ...PRESETS.wan, suspicionMult: 5 });
  });

  it('wants buffers that hold the largest argument', () => {
    expect(refusal({ flags: { 'client-query-buffer-limit': '64mb' } })).toContain('above proto-max-bulk-len');
  });
});
