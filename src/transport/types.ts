/** The mesh between nodes: frames of sections over a control and a bulk WebSocket per pair. */
import type { Address } from '../env/contracts.ts';
import type { Announcement, Epoch, NodeId } from '../topology/types.ts';

/** What a section of a frame holds. Numbers are never used again for another meaning. */
export const SectionKind = {
  /** Raft messages of any groups. */
  RAFT: 1,
  /** Coalesced heartbeats and their responses: a row a group. */
  HEARTBEATS: 2,
  /** Client commands for a leader. */
  FORWARD: 3,
  /** Their replies. */
  REPLIES: 4,
  /** Which shards the sender leads, its readiness and the shards' terms. */
  HINTS: 5,
  /** A question to a shard's leader, and its answer. */
  ASK: 6,
  ANSWER: 7,
  /** Chunks of what is too large for a frame, and how much of them has come (parcels.ts). */
  PARCELS: 8,
  ACKNOWLEDGED: 9,
  /** The topology: asked for, told, or to be changed. */
  TOPOLOGY: 10,
  /** Slots on the move: what goes from one shard's leader to the other's, and who has them now. */
  MOVES: 11,
  /** Rumours about liveness, and the probes that they come from. */
  GOSSIP: 12,
  /** What is in the slots of a shard: its leader is asked. */
  LOADS: 13,
} as const;
export type SectionKind = (typeof SectionKind)[keyof typeof SectionKind];

/** Gathers bytes for one peer until the end of the turn. Little-endian. */
export interface SectionWriter {
  u8(value: number): void;
  u16(value: number): void;
  u32(value: number): void;
  f64(value: number): void;
  /** Copies `bytes[start, end)`. */
  bytes(bytes: Uint8Array, start: number, end: number): void;
  /** Bytes written into this section so far. */
  readonly sizeBytes: number;
  /** Overwrites a u32 written before, at an offset within the section. */
  patchU32(offset: number, value: number): void;
}

/** A section's body on its way in chunks. */
export interface Parcel {
  /** Nobody wants it any more: what is not sent yet is not sent. */
  cancel(): void;
}

/** The link to one other node. */
export interface PeerLink {
  readonly node: NodeId;
  /** The handshake is done and the control connection is open. */
  readonly connected: boolean;
  /** Changes with each new control connection: what was asked over an older one will not be answered. */
  readonly connection: number;
  /** By the monotonic clock, when that was opened; 0 before the first. */
  readonly connectedMs: number;
  /** The peer's start number, learned in the handshake; 0 before. */
  readonly peerStart: number;
  /** So far its log is synced, as it says: what it begins with after a restart is no shorter. */
  heardSyncedEnd(position: number): void;
  /** The newest version that the peer runs, learned in the handshake; 0 before. */
  readonly peerVersion: number;
  /** The highest epoch that the peer has said to have synced; 0.0 before it has said any. */
  readonly peerEpoch: Readonly<Epoch>;
  /** What the peer said of itself in its last handshake; null before. */
  readonly announced: Announcement | null;
  /** Bytes queued and not yet taken by the system. */
  readonly bufferedBytes: number;
  /** Bytes for the control connection that are queued or in this turn's frame yet: what is written into a section now goes behind them. */
  readonly queuedBytes: number;
  /** Those, and what is left of parcels. */
  readonly unsentBytes: number;
  /** Counted since the start, both connections. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** Smoothed round trip in ms; 0 before the first. */
  readonly roundTripMs: number;
  /**
   * Starts or goes on with the section of this kind in this turn's frame. Sections of one kind are gathered into one; kinds keep the order
   * in which they were first asked for. Call `section` again after writing into another one of the same link.
   * Must not be called when not `connected`.
   */
  section(kind: SectionKind): SectionWriter;
  /**
   * Sends `head` and `bytes[start, end)` as the body of one section, in chunks between the frames' other sections: what is written into sections
   * later arrives earlier. The bytes must not change until they are sent. Must not be called when not `connected`.
   */
  sendParcel(kind: SectionKind, head: Buffer, bytes: Buffer, start: number, end: number): Parcel;
  /** Sends over the bulk connection at once; false when it is not open or holds too much (`bulkBufferLimitBytes`). */
  sendBulk(kind: SectionKind, bytes: Uint8Array): boolean;
}

export interface MeshHandler {
  /**
   * `bytes[start, end)` is a section's body; the receiver may keep references to it, but to Raft's sections (RAFT and HEARTBEATS), which may be
   * read during the call only. A MalformedSectionError thrown here closes the connection and drops the rest of its frame.
   */
  onSection(peer: PeerLink, kind: SectionKind, bytes: Buffer, start: number, end: number): void;
  /** A part of a parcel with a section of this kind has come: `bytes[0, filledBytes)` is there. */
  onParcelPart(peer: PeerLink, kind: SectionKind, bytes: Buffer, filledBytes: number): void;
  /** The peer has taken some of the parcels to it. */
  onParcelsTaken(peer: PeerLink): void;
  onConnected(peer: PeerLink): void;
  onDisconnected(peer: PeerLink): void;
}

/** Another node, and where it is reached. */
export interface MeshPeer {
  node: NodeId;
  address: Address;
}

export interface Mesh {
  readonly links: ReadonlyMap<NodeId, PeerLink>;
  /** From here on the mesh is with these (the node itself may be among them): links to new ones are opened, those to others closed. */
  setPeers(peers: readonly MeshPeer[]): void;
  /** One of them was met at another place than is known: it is dialed there, unless it is connected. */
  met(peer: MeshPeer): void;
  /** Sends one frame to each peer that has sections. Called at the end of a turn. */
  flush(): void;
  close(): Promise<void>;
}
