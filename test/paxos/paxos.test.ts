import { describe, expect, it } from 'vitest';

import { Paxos } from '../../src/paxos/paxos.ts';
import type { PaxosEffect } from '../../src/paxos/types.ts';

const FIRST = { instance: { generation: 1, epoch: 1 }, value: 'first' };
const SECOND = { generation: 1, epoch: 2 };
/** Until a recovery that nobody brings on any more is left. */
const LONG_MS = 60_000;
const BALLOT = { round: 1, start: 1, node: 'p' };

function nodeOf(self: string, start = 1): Paxos<string> {
  const votersOf = (): string[] => ['a', 'b', 'c'];
  const isSame = (one: string, other: string): boolean => one === other;
  return new Paxos(
    { self, start, random: () => 0.5, votersOf, survivorsOf: votersOf, isSame },
    { newest: FIRST, acceptor: null },
  );
}

function kindsOf(effects: readonly PaxosEffect<string>[]): string[] {
  return effects.map((effect) => (effect.kind === 'send' ? effect.message.kind : effect.kind));
}

describe('a node of the register', () => {
  it('answers once its promise is synced, and the same question once', () => {
    const node = nodeOf('a');
    node.step('p', { kind: 'prepare', instance: SECOND, ballot: BALLOT }, 0);
    node.step('p', { kind: 'prepare', instance: SECOND, ballot: BALLOT }, 0);
    expect(kindsOf(node.takeEffects())).toEqual(['write']);
    expect(kindsOf(node.takeEffects())).toEqual([]);
    node.written();
    expect(kindsOf(node.takeEffects())).toEqual(['promise']);
  });

  it('does not vote where it is no voter', () => {
    const node = nodeOf('d');
    node.step('p', { kind: 'prepare', instance: SECOND, ballot: BALLOT }, 0);
    node.step('p', { kind: 'accept', instance: SECOND, ballot: BALLOT, value: 'x' }, 0);
    expect(node.takeEffects()).toEqual([]);
  });

  it('says what it does not know, and what it knows', () => {
    const node = nodeOf('a');
    node.step('p', { kind: 'prepare', instance: { generation: 1, epoch: 3 }, ballot: BALLOT }, 0);
    node.step('p', { kind: 'prepare', instance: FIRST.instance, ballot: BALLOT }, 0);
    node.step('p', { kind: 'behind', newest: { generation: 0, epoch: 7 } }, 0);
    expect(kindsOf(node.takeEffects())).toEqual(['behind', 'decided', 'decided']);
  });

  it('goes above the highest ballot that it hears of, after a while', () => {
    const node = nodeOf('p');
    node.propose('mine', 0);
    node.takeEffects();
    const promised = { round: 7, start: 3, node: 'q' };
    node.step('a', { kind: 'refused', instance: SECOND, ballot: BALLOT, promised }, 10);
    node.tick(20);
    expect(node.takeEffects()).toEqual([]);
    node.tick(200);
    const [asked] = node.takeEffects();
    expect(asked).toMatchObject({ message: { kind: 'prepare', ballot: { round: 8, start: 1, node: 'p' } } });
    expect(node.counts).toEqual({ rounds: 2, conflicts: 1 });
  });

  it('asks those again who have not answered', () => {
    const node = nodeOf('p');
    node.propose('mine', 0);
    node.takeEffects();
    node.step('b', { kind: 'promise', instance: SECOND, ballot: BALLOT, accepted: null }, 10);
    node.tick(1000);
    expect(node.takeEffects()).toMatchObject([{ to: 'a' }, { to: 'c' }]);
    node.giveUp();
    node.tick(2000);
    expect(node.takeEffects()).toEqual([]);
  });

  it('that has accepted under a new generation is bound to it', () => {
    const node = nodeOf('a');
    const ask = (generation: number, epoch: number): void => {
      const ballot = { ...BALLOT, round: epoch };
      node.step(
        'p',
        { kind: 'accept', instance: { generation, epoch }, ballot, value: 'x', recovers: true },
        0,
      );
    };
    ask(2, 2);
    expect(kindsOf(node.takeEffects())).toEqual(['write']);
    node.written();
    node.takeEffects();
    ask(2, 3);
    node.step('p', { kind: 'prepare', instance: SECOND, ballot: { ...BALLOT, round: 9 } }, 0);
    node.step('p', { kind: 'prepare', instance: SECOND, ballot: { ...BALLOT, round: 9 } }, LONG_MS);
    expect(kindsOf(node.takeEffects())).toEqual(['bound', 'bound', 'bound']);
    ask(3, 3);
    expect(kindsOf(node.takeEffects())).toEqual(['write']);
  });
});
