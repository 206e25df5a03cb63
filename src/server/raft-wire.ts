/** Raft's messages between this node's members and those of other nodes. */
import type { Message } from '../raft/types.ts';
import type { Engine } from '../shard/engine.ts';
import type { Replica } from '../shard/replica.ts';
import type { NodeId, Topology } from '../topology/types.ts';
import { readHeartbeatRows, readMessages } from '../transport/raft-decode.ts';
import { writeHeartbeatRow, writeMessage } from '../transport/raft-encode.ts';
import { SectionBuffer } from '../transport/section-buffer.ts';
import { SectionKind, type PeerLink } from '../transport/types.ts';

export class RaftWire {
  private readonly links: () => ReadonlyMap<NodeId, PeerLink>;
  /** By group: the node of each member. */
  private readonly nodes = new Map<number, Map<number, NodeId>>();
  private readonly replicas = new Map<number, Replica>();

  constructor(topology: Topology, links: () => ReadonlyMap<NodeId, PeerLink>) {
    this.links = links;
    for (const shard of topology.shards) {
      this.nodes.set(shard.group, new Map(shard.replicas.map((row) => [row.member, row.node])));
    }
  }

  add(replica: Replica): void {
    this.replicas.set(replica.raft.group, replica);
  }

  /** Sends a message if its receiver is reached now; a message that is not sent is lost, as on any network. */
  send(message: Message): void {
    const node = this.nodes.get(message.group)?.get(message.to);
    const link = node === undefined ? undefined : this.links().get(node);
    if (link === undefined || !link.connected) return;
    if (message.kind === 'heartbeat' || message.kind === 'heartbeat-response') {
      writeHeartbeatRow(link.section(SectionKind.HEARTBEATS), message);
    } else if (message.kind === 'snapshot') {
      const section = new SectionBuffer();
      writeMessage(section, message);
      const bytes = Buffer.allocUnsafe(section.sizeBytes);
      section.moveTo(bytes, 0);
      link.sendBulk(SectionKind.RAFT, bytes);
    } else writeMessage(link.section(SectionKind.RAFT), message);
  }

  /** Takes in a section of Raft messages from a node; throws when it is malformed. */
  receive(engine: Engine, from: NodeId, kind: SectionKind, bytes: Buffer, start: number, end: number): void {
    const deliver = (message: Message): void => {
      const replica = this.replicas.get(message.group);
      // The sender's member must be of the node that the connection is with.
      if (replica === undefined || this.nodes.get(message.group)?.get(message.from) !== from) return;
      engine.step(replica, message);
    };
    if (kind === SectionKind.HEARTBEATS) readHeartbeatRows(bytes, start, end, deliver);
    else readMessages(bytes, start, end, deliver);
  }
}
