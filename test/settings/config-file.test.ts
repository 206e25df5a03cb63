import { describe, expect, it } from 'vitest';
import { parseConfigFile } from '../../src/settings/config-file.ts';

describe('the configuration file', () => {
  it('reads lines as redis.conf has them', () => {
    const file = parseConfigFile(
      '# a comment\n\nport 7000\r\n  maxmemory\t64mb\nzone ""\nrequirepass "a#b"\n',
      'f',
    );
    expect(Object.fromEntries(file.values)).toEqual({
      clientPort: '7000',
      maxmemoryBytes: '64mb',
      zone: '',
      requirepass: 'a#b',
    });
  });

  it('reads a JSON object', () => {
    const file = parseConfigFile(
      '{"client-port": 7000, "protected-mode": false, "seeds": ["a:1", "b:2"], "zone": "z"}',
      'f',
    );
    expect(Object.fromEntries(file.values)).toEqual({
      clientPort: '7000',
      protectedMode: 'no',
      seeds: 'a:1,b:2',
      zone: 'z',
    });
  });

  it.each([
    ['nonsense 1', "f:1: there is no setting 'nonsense'."],
    ['port 1\n\nclient-port 2', "f:3: 'client-port' is given twice."],
    ['{"port": null}', 'f: port must be a text, a number, true, false or a list of texts.'],
    ['{"port": ', 'f: this is not JSON'],
  ])('refuses %j', (text, sentence) => {
    expect(() => parseConfigFile(text, 'f')).toThrow(sentence);
  });
});
