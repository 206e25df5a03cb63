import { randomBytes } from 'node:crypto';

import { describe, expect, it } from 'vitest';

import { AcceptHandshake, DialHandshake } from '../../src/transport/handshake.ts';
import type { Admit, Channel, HandshakeStep, LocalPeer } from '../../src/transport/handshake.ts';
import { localPeer, nodeId } from './support.ts';

const admitAll: Admit = () => null;
const nonce = (): Uint8Array => randomBytes(32);

interface Meeting {
  channel?: Channel;
  expected?: string;
  dialerAdmits?: Admit;
  acceptorAdmits?: Admit;
  /** Changes a message on its way; messages count from 0. */
  tamper?: (bytes: Buffer, message: number) => Buffer;
}

/** Lets two sides talk until one is done or refuses. */
function meet(
  dialing: LocalPeer,
  accepting: LocalPeer,
  how: Meeting = {},
): { dialer: HandshakeStep; acceptor: HandshakeStep } {
  const dialer = new DialHandshake(
    dialing,
    how.channel ?? 'control',
    how.expected ?? null,
    nonce(),
    how.dialerAdmits ?? admitAll,
  );
  const acceptor = new AcceptHandshake(accepting, nonce(), how.acceptorAdmits ?? admitAll);
  const last: { dialer: HandshakeStep; acceptor: HandshakeStep } = {
    dialer: { kind: 'send', bytes: dialer.first() },
    acceptor: { kind: 'send', bytes: Buffer.alloc(0) },
  };
  for (let message = 0; message < 4; message++) {
    const dialerSpeaks = message % 2 === 0;
    const spoken = dialerSpeaks ? last.dialer : last.acceptor;
    if (spoken.kind === 'refuse' || spoken.kind === 'refused' || spoken.bytes === null) break;
    const bytes = how.tamper?.(spoken.bytes, message) ?? spoken.bytes;
    if (dialerSpeaks) last.acceptor = acceptor.onMessage(bytes);
    else last.dialer = dialer.onMessage(bytes);
  }
  return last;
}

function reasonOf(step: HandshakeStep): string {
  return step.kind === 'refuse' ? step.reason : `not refused but ${step.kind}`;
}

const PAST = { start: 4, life: 1, logBorn: 1, logEnd: 100 };

describe('who is not the node that it takes itself for', () => {
  const SAYS = 'it is an old copy';
  const met = (disowned: 1 | 2): { dialer: HandshakeStep; acceptor: HandshakeStep } => {
    const disown = (node: string): string | null => (node === nodeId(disowned) ? SAYS : null);
    const dialer = new DialHandshake(localPeer(1), 'control', null, nonce(), admitAll, disown);
    const acceptor = new AcceptHandshake(localPeer(2), nonce(), admitAll, disown);
    const challenge = acceptor.onMessage(dialer.first());
    let last = dialer.onMessage((challenge as { bytes: Buffer }).bytes);
    const answer = acceptor.onMessage((last as { bytes: Buffer }).bytes);
    if (last.kind === 'send') last = dialer.onMessage((answer as { bytes: Buffer }).bytes);
    return { dialer: last, acceptor: answer };
  };

  it('is told so by who knows the secret, whoever dialed', () => {
    const told = { kind: 'refused', reason: SAYS, disowned: true };
    const first = met(1);
    expect(first.acceptor).toMatchObject({ kind: 'refuse', reason: SAYS });
    expect(first.dialer).toEqual(told);
    const second = met(2);
    expect(second.dialer).toMatchObject({ kind: 'refuse', reason: SAYS });
    expect(second.acceptor).toEqual(told);
  });

  it('is not told by a mere refusal', () => {
    const dialer = new DialHandshake(localPeer(1), 'control', null, nonce(), admitAll);
    const forged = Buffer.from(JSON.stringify({ type: 'refusal', reason: SAYS, disowned: true }));
    expect(dialer.onMessage(forged)).not.toHaveProperty('disowned');
  });
});

describe('the handshake', () => {
  it('proves each side to the other', () => {
    const { dialer, acceptor } = meet(
      localPeer(1, { past: PAST }),
      localPeer(2, { past: { ...PAST, start: 9 } }),
      {
        expected: nodeId(2),
      },
    );
    expect(dialer).toMatchObject({
      kind: 'done',
      channel: 'control',
      remote: { node: nodeId(2), past: { ...PAST, start: 9 }, version: 1 },
    });
    expect(acceptor).toMatchObject({
      kind: 'done',
      channel: 'control',
      remote: { node: nodeId(1), past: PAST },
    });
  });

  it('never sends the secret, and shows settings to nobody who has not proven it', () => {
    const seen: string[] = [];
    const tamper = (bytes: Buffer): Buffer => (seen.push(bytes.toString()), bytes);
    meet(localPeer(1, { secret: 'hunter-two' }), localPeer(2, { secret: 'hunter-two' }), { tamper });
    expect(seen).toHaveLength(4);
    expect(seen.join()).not.toContain('hunter-two');
    seen.length = 0;
    const { acceptor } = meet(localPeer(1, { secret: 'guess' }), localPeer(2), { tamper });
    expect(reasonOf(acceptor)).toContain('does not know the shared secret');
    expect(seen).toHaveLength(3);
    expect(seen[1]).not.toContain('durability');
  });

  it('refuses an acceptor that does not know the secret but says it does', () => {
    const accepting = new AcceptHandshake(localPeer(2, { secret: 'right' }), nonce(), admitAll);
    const dialing = new DialHandshake(localPeer(1, { secret: 'right' }), 'control', null, nonce(), admitAll);
    const challenge = accepting.onMessage(dialing.first());
    const proof = dialing.onMessage(challenge.kind === 'send' ? challenge.bytes : Buffer.alloc(0));
    // The dialer's own proof, sent back, proves nothing of the acceptor.
    expect(reasonOf(dialing.onMessage(proof.kind === 'send' ? proof.bytes : Buffer.alloc(0)))).toContain(
      'shared secret',
    );
  });

  it('binds the proof to all that was said', () => {
    for (const message of [0, 1]) {
      const tamper = (bytes: Buffer, at: number): Buffer =>
        at === message ? Buffer.from(bytes.toString().replace('"start":1', '"start":7')) : bytes;
      expect(reasonOf(meet(localPeer(1), localPeer(2), { tamper }).acceptor)).toContain('shared secret');
    }
    const tamper = (bytes: Buffer, at: number): Buffer =>
      at === 2 ? Buffer.from(bytes.toString().replace('fsync', 'fsunk')) : bytes;
    expect(reasonOf(meet(localPeer(1), localPeer(2), { tamper }).acceptor)).toContain('shared secret');
  });

  it('names a setting that differs, with both values and where each is', () => {
    const one = localPeer(1);
    const settings = { ...one.settings, durability: 'buffered' };
    const other = localPeer(2, { settings, announced: { ...one.announced, peerPort: 16380 } });
    expect(reasonOf(meet(one, other).acceptor)).toBe(
      'the setting durability must be the same on all nodes: buffered on 127.0.0.1:16380, fsync on 127.0.0.1:16379',
    );
    const more = localPeer(2, { settings: { ...one.settings, 'max-value': 5 } });
    expect(reasonOf(meet(one, more).acceptor)).toContain('max-value must be the same on all nodes: 5 on');
  });

  it('refuses another cluster, and one that is not founded, on all channels but the founding', () => {
    const other = localPeer(2, { clusterId: 'd'.repeat(40) });
    const reason = reasonOf(meet(localPeer(1), other).acceptor);
    expect(reason).toContain(`node ${nodeId(2)} belongs to cluster ${'d'.repeat(40)}`);
    expect(reason).toContain(`node ${nodeId(1)} to cluster ${'c'.repeat(40)}`);
    const unfounded = localPeer(2, { clusterId: null });
    expect(reasonOf(meet(localPeer(1), unfounded, { channel: 'bulk' }).acceptor)).toContain(
      'not been founded yet',
    );
    expect(meet(localPeer(1), unfounded, { channel: 'founding' }).dialer.kind).toBe('done');
  });

  it('refuses versions without one in common, and takes the highest that both speak', () => {
    const reason = reasonOf(meet(localPeer(1, { versionMin: 3, versionMax: 4 }), localPeer(2)).acceptor);
    expect(reason).toContain(`node ${nodeId(2)} speaks version 1, node ${nodeId(1)} version 3 to 4`);
    const { dialer } = meet(localPeer(1, { versionMax: 3 }), localPeer(2, { versionMax: 2 }));
    expect(dialer).toMatchObject({ remote: { version: 2 } });
  });

  it('refuses whom either side does not know, itself, and another than expected', () => {
    const stranger: Admit = ({ node }) => ({ reason: `node ${node} is not a member of this cluster` });
    expect(reasonOf(meet(localPeer(1), localPeer(2), { acceptorAdmits: stranger }).acceptor)).toContain(
      'not a member',
    );
    expect(reasonOf(meet(localPeer(1), localPeer(2), { dialerAdmits: stranger }).dialer)).toContain(
      'not a member',
    );
    expect(reasonOf(meet(localPeer(1), localPeer(1)).acceptor)).toContain('own id');
    expect(reasonOf(meet(localPeer(1), localPeer(2), { expected: nodeId(3) }).dialer)).toContain(
      'was expected here',
    );
  });

  it('refuses what it cannot read, without an exception', () => {
    for (const junk of [
      '',
      '{',
      '[]',
      '{"type":"hello"}',
      '\u0000\u0001',
      '{"type":"proof","mac":"","about":""}',
    ]) {
      const fresh = new AcceptHandshake(localPeer(1), nonce(), admitAll);
      expect(fresh.onMessage(Buffer.from(junk)).kind).toBe('refuse');
      const tamper = (bytes: Buffer, at: number): Buffer => (at > 0 ? Buffer.from(junk) : bytes);
      expect(meet(localPeer(1), localPeer(2), { tamper }).dialer.kind).toBe('refuse');
      const last = (bytes: Buffer, at: number): Buffer => (at === 2 ? Buffer.from(junk) : bytes);
      expect(meet(localPeer(1), localPeer(2), { tamper: last }).acceptor.kind).toBe('refuse');
    }
  });
});
