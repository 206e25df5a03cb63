/** Raft's messages between this node's members and those of other nodes. */
import type { GroupId, MemberId, Message } from '../raft/types.ts';
import type { Engine } from '../shard/engine.ts';
import type { Replica } from '../shard/replica.ts';
import type { NodeId, Topology } from '../topology/types.ts';
import { readHeartbeatRows, readMessages, type MessageTaker } from '../transport/raft-decode.ts';
import { writeHeartbeatRow, writeMessage } from '../transport/raft-encode.ts';
import { SectionBuffer } from '../transport/section-buffer.ts';
import { SectionKind, type PeerLink } from '../transport/types.ts';

/** A group's members, all that its log may name: the node of each, and the links found to those of other nodes. */
interface Group {
  readonly replica: Replica | null;
  readonly members: readonly MemberId[];
  readonly nodes: readonly NodeId[];
  readonly links: (PeerLink | undefined)[];
}

export class RaftWire {
  private readonly links: () => ReadonlyMap<NodeId, PeerLink>;
  private readonly groups = new Map<GroupId, Group>();
  private readonly replicas = new Map<GroupId, Replica>();
  private topology: Topology;
  /** Whose section is being read, and who takes in what it holds. */
  private sender: NodeId = '';
  private engine: Engine | null = null;
  private readonly deliver: MessageTaker = (message, group, from) => this.take(message, group, from);

  constructor(topology: Topology, links: () => ReadonlyMap<NodeId, PeerLink>) {
    this.links = links;
    this.topology = topology;
    this.setTopology(topology);
  }

  /** Called once the mesh has the links that go with it. */
  setTopology(topology: Topology): void {
    this.topology = topology;
    this.groups.clear();
    for (const { group, replicas } of topology.shards) {
      const members = replicas.map(({ member }) => member);
      const nodes = replicas.map(({ node }) => node);
      const replica = this.replicas.get(group) ?? null;
      this.groups.set(group, { replica, members, nodes, links: nodes.map(() => undefined) });
    }
  }

  add(replica: Replica): void {
    this.replicas.set(replica.raft.group, replica);
    this.setTopology(this.topology);
  }

  remove(replica: Replica): void {
    this.replicas.delete(replica.raft.group);
    this.setTopology(this.topology);
  }

  /** Sends a message if its receiver is reached now; a message that is not sent is lost, as on any network. */
  send(message: Message): void {
    const link = this.linkTo(message.group, message.to);
    if (link === undefined || !link.connected) return;
    const { kind } = message;
    if (kind === 'heartbeat' || kind === 'heartbeat-response') {
      writeHeartbeatRow(link.section(SectionKind.HEARTBEATS), message);
    } else if (kind === 'snapshot') {
      const section = new SectionBuffer();
      writeMessage(section, message);
      const bytes = Buffer.allocUnsafe(section.sizeBytes);
      section.moveTo(bytes, 0);
      link.sendBulk(SectionKind.RAFT, bytes);
    } else writeMessage(link.section(SectionKind.RAFT), message);
  }

  /** Takes in a section of Raft messages from a node; throws when it is malformed. */
  receive(engine: Engine, from: NodeId, kind: SectionKind, bytes: Buffer, start: number, end: number): void {
    this.engine = engine;
    this.sender = from;
    if (kind === SectionKind.HEARTBEATS) readHeartbeatRows(bytes, start, end, this.deliver);
    else readMessages(bytes, start, end, this.deliver);
  }

  private take(message: Message, groupId: GroupId, from: MemberId): void {
    const group = this.groups.get(groupId);
    if (group === undefined || group.replica === null) return;
    // The sender's member must be of the node that the connection is with.
    if (group.nodes[group.members.indexOf(from)] !== this.sender) return;
    this.engine?.step(group.replica, message);
  }

  private linkTo(groupId: GroupId, to: MemberId): PeerLink | undefined {
    const group = this.groups.get(groupId);
    if (group === undefined) return undefined;
    const at = group.members.indexOf(to);
    if (at < 0) return undefined;
    return (group.links[at] ??= this.links().get(group.nodes[at]));
  }
}
