import { describe, expect, it } from 'vitest';
import { colourful } from '../../src/cli/colour.ts';
import { prettyLine } from '../../src/cli/log-line.ts';
import { createLog } from '../../src/cli/process-log.ts';

function logged(level: 'debug' | 'info' | 'warn' | 'error' = 'info'): {
  lines: string[];
  settings: { id: string; logLevel: 'debug' | 'info' | 'warn' | 'error' };
  log: ReturnType<typeof createLog>;
} {
  const lines: string[] = [];
  const settings = { id: 'node-1', logLevel: level };
  const log = createLog(settings, { write: (line) => lines.push(line.trimEnd()) });
  return { lines, settings, log };
}

describe('the log', () => {
  it('writes one JSON object an event, with the node', () => {
    const { lines, log } = logged();
    log.info('election-started', { shard: 3, term: 7 });
    expect(JSON.parse(lines[0])).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string,
      node: 'node-1',
      shard: 3,
      term: 7,
      event: 'election-started',
    });
  });

  it('goes by the level, also when it changes', () => {
    const { lines, settings, log } = logged('warn');
    log.info('starting');
    log.error('failed');
    settings.logLevel = 'debug';
    log.debug('settings');
    expect(lines.map((line) => (JSON.parse(line) as { event: string }).event)).toEqual([
      'failed',
      'settings',
    ]);
  });

  it('masks secrets', () => {
    const { lines, log } = logged();
    log.info('settings', {
      requirepass: 'hush',
      settings: { 'peer-secret': 'hush', peerSecret: 'hush', maxclients: '1' },
    });
    expect(lines[0]).not.toContain('hush');
    expect(lines[0]).toContain('"requirepass":"(secret)"');
    expect(lines[0]).toContain('"maxclients":"1"');
  });

  it('writes errors with their stack', () => {
    const { lines, log } = logged();
    log.error('failed', { error: new Error('the disk is full') });
    expect(lines[0]).toContain('"stack":"Error: the disk is full');
    expect(prettyLine(lines[0], false)).toMatch(
      /^\d\d:\d\d:\d\d\.\d{3} ERROR failed error="the disk is full"\n {4}at .*log\.test\.ts/,
    );
  });

  it('quotes where words would run together, and colours for terminals', () => {
    const { lines, log } = logged();
    log.warn('peer-disconnected', { peer: 'node-2', reason: 'no answer', tries: 3 });
    expect(prettyLine(lines[0], false)).toMatch(
      / WARN {2}peer-disconnected peer=node-2 reason="no answer" tries=3$/,
    );
    log.info('serving', { nodeId: 'a1b2c3d4'.repeat(5) });
    expect(prettyLine(lines[1], false)).toMatch(/serving nodeId=a1b2c3d4$/);
    expect(prettyLine(lines[0], true)).toContain('\u001B[33mWARN \u001B[39m');
  });
});

describe('colours', () => {
  it.each([
    [true, {}, true],
    [false, {}, false],
    [true, { NO_COLOR: '1' }, false],
    [true, { NO_COLOR: '' }, true],
    [true, { TERM: 'dumb' }, false],
    [false, { FORCE_COLOR: '1' }, true],
    [true, { NO_COLOR: '1', FORCE_COLOR: '1' }, false],
  ])('terminal %j with %j: %j', (isTTY, environment, expected) => {
    expect(colourful({ isTTY }, environment)).toBe(expected);
  });
});
