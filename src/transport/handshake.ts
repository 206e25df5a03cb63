import { createHmac, timingSafeEqual } from 'node:crypto';

import { z } from 'zod';

import type { Past } from './past.ts';
import { announcementSchema } from '../topology/announcement-schema.ts';
import type { Announcement, ClusterId, NodeId } from '../topology/types.ts';

/**
 * How two nodes meet, before any frame. The dialer speaks first:
 *
 *     dialer                                   acceptor
 *       hello: versions, channel, ids, nonce ->
 *                     <- challenge: version, ids, nonce
 *       proof, settings, announcement ->
 *                     <- proof, settings, announcement
 *
 * A proof is an HMAC-SHA256 with the shared secret over the role, both first messages (hence both nonces, node ids and pasts) and
 * what is sent with it. So the secret never travels, no proof can be used again or reflected, and settings are shown to nobody who has
 * not proven it. Instead of its message either side may send a refusal with the reason, and close. Messages are JSON.
 */
export const MAX_HANDSHAKE_BYTES = 64 * 1024;
export const NONCE_BYTES = 32;

/**
 * A node has two connections to each other one, and, until both know of the founding, a third; one that is of no cluster asks those that are to take
 * it in over a fourth.
 */
export type Channel = 'control' | 'bulk' | 'founding' | 'joining';

/** Values of the settings that all nodes share; secrets are not among them. */
type SharedSettings = Readonly<Record<string, string | number | boolean>>;

/** What a node is to others. */
export interface LocalPeer {
  readonly node: NodeId;
  readonly past: Past;
  /** Null until the node is founded. */
  readonly clusterId: ClusterId | null;
  readonly announced: Announcement;
  readonly settings: SharedSettings;
  readonly secret: string;
  /**
   * What it speaks: the version that it was made for and the one before, but for those that the cluster has left behind. Of the versions
   * that both sides speak the highest is spoken.
   */
  readonly versionMin: number;
  readonly versionMax: number;
}

/** Who is at the other end, proven. */
export interface RemotePeer {
  readonly node: NodeId;
  readonly past: Past;
  readonly clusterId: ClusterId | null;
  readonly announced: Announcement;
  /** What is spoken, and the newest that it could speak. */
  readonly version: number;
  readonly versionMax: number;
}

/** What to do after a message of the other side. `refuse` is sent, too; `refused` came from there. */
export type HandshakeStep =
  | { kind: 'send'; bytes: Buffer }
  | { kind: 'done'; bytes: Buffer | null; remote: RemotePeer; channel: Channel }
  | ({ kind: 'refuse'; bytes?: Buffer } & Refusal)
  | ({ kind: 'refused' } & Refusal);

/** `early`: it only came too early or too late, as happens whenever nodes start or stop. */
export interface Refusal {
  reason: string;
  early?: boolean | undefined;
  /** By who knows the secret, and for good: the refused one is not the node that it takes itself for. */
  disowned?: boolean | undefined;
}

/** Says why the proven other side is not wanted; null when it is. */
export type Admit = (remote: RemotePeer, channel: Channel) => Refusal | null;

const hexId = z.string().regex(/^[0-9a-f]{40}$/);
const nonce = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.number().int().min(0);
const past = z.object({ start: count, life: z.number(), logBorn: count, logEnd: count });

const helloSchema = z.object({
  type: z.literal('hello'),
  versionMin: z.number().int(),
  versionMax: z.number().int(),
  channel: z.enum(['control', 'bulk', 'founding', 'joining']),
  clusterId: hexId.nullable(),
  node: hexId,
  past,
  nonce,
});

const challengeSchema = z.object({
  type: z.literal('challenge'),
  version: z.number().int(),
  versionMax: z.number().int(),
  clusterId: hexId.nullable(),
  node: hexId,
  past,
  nonce,
});

const proofSchema = z.object({
  type: z.literal('proof'),
  mac: nonce,
  /** JSON in a string, since the proof covers its very bytes. */
  about: z.string(),
});

const aboutSchema = z.object({
  settings: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  announced: announcementSchema,
  /** Why the other side is not the node that it takes itself for. */
  disowned: z.string().max(2_000).optional(),
});

const refusalSchema = z.object({
  type: z.literal('refusal'),
  reason: z.string().max(2_000),
  early: z.boolean().optional(),
});

type Hello = z.infer<typeof helloSchema>;
type Challenge = z.infer<typeof challengeSchema>;

const WRONG_SECRET = 'it does not know the shared secret (the peer secret must be the same on all nodes)';

export function refusalBytes({ reason, early }: Refusal): Buffer {
  return Buffer.from(JSON.stringify({ type: 'refusal', reason: reason.slice(0, 2_000), early }));
}

/** Why it is not the node that it says it is; null: nothing speaks against it. */
export type Disown = (node: NodeId, past: Past, channel: Channel) => string | null;
const NOBODY_IS: Disown = () => null;

/** The dialer's side. `expected` is the node that should answer; null when that is not known yet. */
export class DialHandshake {
  private readonly self: LocalPeer;
  private readonly channel: Channel;
  private readonly expected: NodeId | null;
  private readonly admit: Admit;
  private readonly disown: Disown;
  private readonly hello: Buffer;
  private challenge: { bytes: Buffer; value: Challenge } | null = null;

  constructor(
    self: LocalPeer,
    channel: Channel,
    expected: NodeId | null,
    nonce: Uint8Array,
    admit: Admit,
    disown = NOBODY_IS,
  ) {
    this.self = self;
    this.disown = disown;
    this.channel = channel;
    this.expected = expected;
    this.admit = admit;
    const hello: Hello = {
      type: 'hello',
      versionMin: self.versionMin,
      versionMax: self.versionMax,
      channel,
      clusterId: self.clusterId,
      node: self.node,
      past: self.past,
      nonce: Buffer.from(nonce).toString('hex'),
    };
    this.hello = Buffer.from(JSON.stringify(hello));
  }

  first(): Buffer {
    return this.hello;
  }

  onMessage(bytes: Buffer): HandshakeStep {
    const refused = refusalIn(bytes);
    if (refused !== null) return { kind: 'refused', ...refused };
    return this.challenge === null ? this.onChallenge(bytes) : this.onProof(bytes, this.challenge);
  }

  private onChallenge(bytes: Buffer): HandshakeStep {
    const value = parse(challengeSchema, bytes);
    if (value === null) return malformed('challenge');
    const { versionMin, versionMax } = this.self;
    if (value.version < versionMin || value.version > versionMax) {
      return refuse(
        `it chose version ${value.version}; this node speaks version ${rangeText(versionMin, versionMax)}`,
      );
    }
    if (this.expected !== null && value.node !== this.expected) {
      return refuse(`node ${this.expected} was expected here, but node ${value.node} answers`);
    }
    const stranger = clusterProblem(this.channel, this.self, value);
    if (stranger !== null) return { kind: 'refuse', ...stranger };
    const disowned = this.disown(value.node, value.past, this.channel);
    const proof = proofMessage(this.self, 'dialer', this.hello, bytes, disowned);
    if (disowned !== null) return { kind: 'refuse', reason: disowned, bytes: proof };
    this.challenge = { bytes, value };
    return { kind: 'send', bytes: proof };
  }

  private onProof(bytes: Buffer, challenge: { bytes: Buffer; value: Challenge }): HandshakeStep {
    const { value } = challenge;
    const proven = checkProof(
      this.self,
      'acceptor',
      this.hello,
      challenge.bytes,
      bytes,
      value,
      value.version,
    );
    if (proven.kind !== 'proven') return proven;
    const unwanted = this.admit(proven.remote, this.channel);
    if (unwanted !== null) return { kind: 'refuse', ...unwanted };
    return { kind: 'done', bytes: null, remote: proven.remote, channel: this.channel };
  }
}

/** The acceptor's side. */
export class AcceptHandshake {
  private readonly self: LocalPeer;
  private readonly nonce: Uint8Array;
  private readonly admit: Admit;
  private readonly disown: Disown;
  private met: { hello: Hello; helloBytes: Buffer; challenge: Buffer; version: number } | null = null;

  constructor(self: LocalPeer, nonce: Uint8Array, admit: Admit, disown = NOBODY_IS) {
    this.self = self;
    this.disown = disown;
    this.nonce = nonce;
    this.admit = admit;
  }

  onMessage(bytes: Buffer): HandshakeStep {
    const refused = refusalIn(bytes);
    if (refused !== null) return { kind: 'refused', ...refused };
    return this.met === null ? this.onHello(bytes) : this.onProof(bytes, this.met);
  }

  private onHello(bytes: Buffer): HandshakeStep {
    const hello = parse(helloSchema, bytes);
    if (hello === null) return malformed('hello');
    const { self } = this;
    const { versionMin, versionMax } = self;
    const version = Math.min(hello.versionMax, versionMax);
    if (version < hello.versionMin || version < versionMin) {
      return refuse(
        `no version in common: node ${self.node} speaks version ${rangeText(versionMin, versionMax)}, ` +
          `node ${hello.node} version ${rangeText(hello.versionMin, hello.versionMax)}`,
      );
    }
    if (hello.node === self.node) return refuse(`it has this node's own id ${self.node}`);
    const stranger = clusterProblem(hello.channel, self, hello);
    if (stranger !== null) return { kind: 'refuse', ...stranger };
    const challenge: Challenge = {
      type: 'challenge',
      version,
      versionMax,
      clusterId: self.clusterId,
      node: self.node,
      past: self.past,
      nonce: Buffer.from(this.nonce).toString('hex'),
    };
    const challengeBytes = Buffer.from(JSON.stringify(challenge));
    this.met = { hello, helloBytes: bytes, challenge: challengeBytes, version };
    return { kind: 'send', bytes: challengeBytes };
  }

  private onProof(bytes: Buffer, met: NonNullable<AcceptHandshake['met']>): HandshakeStep {
    const { hello, helloBytes, challenge, version } = met;
    const proven = checkProof(this.self, 'dialer', helloBytes, challenge, bytes, hello, version);
    if (proven.kind !== 'proven') return proven;
    const unwanted = this.admit(proven.remote, hello.channel);
    if (unwanted !== null) return { kind: 'refuse', ...unwanted };
    const disowned = this.disown(hello.node, hello.past, hello.channel);
    const answer = proofMessage(this.self, 'acceptor', helloBytes, challenge, disowned);
    if (disowned !== null) return { kind: 'refuse', reason: disowned, bytes: answer };
    return { kind: 'done', bytes: answer, remote: proven.remote, channel: hello.channel };
  }
}

function rangeText(min: number, max: number): string {
  return min === max ? `${max}` : `${min} to ${max}`;
}

type ClusterMember = Pick<LocalPeer, 'node' | 'clusterId'>;
type Role = 'dialer' | 'acceptor';

function proofMessage(
  self: LocalPeer,
  role: Role,
  hello: Buffer,
  challenge: Buffer,
  disowned: string | null,
): Buffer {
  const { settings, announced } = self;
  const about = JSON.stringify({ settings, announced, disowned: disowned ?? undefined });
  const mac = macOf(self.secret, role, hello, challenge, about).toString('hex');
  return Buffer.from(JSON.stringify({ type: 'proof', mac, about }));
}

function checkProof(
  self: LocalPeer,
  role: Role,
  hello: Buffer,
  challenge: Buffer,
  bytes: Buffer,
  who: { node: NodeId; past: Past; clusterId: ClusterId | null; versionMax: number },
  version: number,
): { kind: 'proven'; remote: RemotePeer } | ({ kind: 'refuse' | 'refused' } & Refusal) {
  const proof = parse(proofSchema, bytes);
  if (proof === null) return malformed('proof');
  const wanted = macOf(self.secret, role, hello, challenge, proof.about);
  if (!timingSafeEqual(wanted, Buffer.from(proof.mac, 'hex'))) return refuse(WRONG_SECRET);
  const about = parse(aboutSchema, Buffer.from(proof.about));
  if (about === null) return malformed('proof');
  const { disowned } = about;
  if (disowned !== undefined) return { kind: 'refused', reason: disowned, disowned: true };
  const difference = settingsProblem(self.settings, self.announced, about.settings, about.announced);
  if (difference !== null) return refuse(difference);
  const { node, past: before, clusterId, versionMax } = who;
  const { announced } = about;
  return { kind: 'proven', remote: { node, past: before, clusterId, announced, version, versionMax } };
}

/** Each part goes in with its length, so that no two tuples have the same bytes. */
function macOf(secret: string, role: Role, hello: Buffer, challenge: Buffer, about: string): Buffer {
  const mac = createHmac('sha256', secret);
  for (const part of [Buffer.from(`torc mesh ${role}`), hello, challenge, Buffer.from(about)]) {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(part.length);
    mac.update(length).update(part);
  }
  return mac.digest();
}

/** While founding, nodes talk although they have no cluster yet, and the founding itself judges. */
function clusterProblem(channel: Channel, us: ClusterMember, them: ClusterMember): Refusal | null {
  if (channel === 'founding' || channel === 'joining') return null;
  if (us.clusterId === null) return { reason: `node ${us.node} has not been founded yet`, early: true };
  if (them.clusterId === null) return { reason: `node ${them.node} has not been founded yet`, early: true };
  if (us.clusterId === them.clusterId) return null;
  const reason = `node ${us.node} belongs to cluster ${us.clusterId}, node ${them.node} to cluster ${them.clusterId}`;
  return { reason };
}

/** Names the first setting that differs, with both values. The same words are read on both sides, so both are named. */
function settingsProblem(
  ours: SharedSettings,
  us: Announcement,
  theirs: SharedSettings,
  them: Announcement,
): string | null {
  const names = [...new Set([...Object.keys(ours), ...Object.keys(theirs)])].sort();
  const differing = names.find((name) => ours[name] !== theirs[name]);
  if (differing === undefined) return null;
  const shown = (settings: SharedSettings, node: Announcement): string =>
    `${differing in settings ? String(settings[differing]) : 'not known'} on ${node.host}:${node.peerPort}`;
  return `the setting ${differing} must be the same on all nodes: ${shown(ours, us)}, ${shown(theirs, them)}`;
}

function refusalIn(bytes: Buffer): Refusal | null {
  const refusal = parse(refusalSchema, bytes);
  return refusal === null ? null : { reason: refusal.reason, early: refusal.early };
}

function parse<T>(schema: z.ZodType<T>, bytes: Buffer): T | null {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    return null;
  }
  const parsed = schema.safeParse(value);
  return parsed.success ? parsed.data : null;
}

function refuse(reason: string): { kind: 'refuse'; reason: string } {
  return { kind: 'refuse', reason };
}

function malformed(message: string): { kind: 'refuse'; reason: string } {
  return refuse(`its ${message} is not one that this version understands`);
}
