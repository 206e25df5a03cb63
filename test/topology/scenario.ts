import { isOwnRecord } from '../../src/node-replicas.ts';
import type { MemberId, Membership } from '../../src/raft/types.ts';
import { firstMembership } from '../../src/shard/replica-factory.ts';
import { applyChange, type TopologyChange } from '../../src/topology/change.ts';
import { departedMembers, nextStep, type WalkStep } from '../../src/topology/configuration-walk.ts';
import type { NodeEntry, NodeId, ReplicaEntry, ShardEntry, Topology } from '../../src/topology/types.ts';
import { describeMembership } from '../sim/raft/describe-message.ts';
import { announcedAs } from './many-nodes.ts';
import { oneNode } from './one-node.ts';

/**
 * The row of one shard in the register, and the configuration in its group's log, which its leader walks towards the row. `nodes a b …`: the shard begins
 * on the first. `place a b …`: the register says where it should be. `walk leader=a caught-up=… silent=…`: the leader's next step; what it appends is in
 * force. `commit`: and committed. `drop`: who may leave the row does. `opens a`: what the node makes of its member when it starts. `record a MEMBER`:
 * whether it takes for its own what lies on its disk of that member.
 */
export class Scenario {
  private topology: Topology = oneNode(1, 1);
  private inForce: Membership = { voters: [1], votersOld: [], learners: [] };
  private committed = this.inForce;

  /** Runs one command; returns what it prints. */
  run(command: string): string {
    const [name, ...args] = command.split(' ');
    switch (name) {
      case 'nodes':
        return this.nodes(args);
      case 'place':
        return this.change({ kind: 'place-shard', shard: 1, nodes: args });
      case 'walk':
        return this.walk(new Map(args.map((arg) => arg.split('=') as [string, string])));
      case 'commit':
        this.committed = this.inForce;
        return `committed: ${describeMembership(this.committed)}`;
      case 'drop':
        return this.drop();
      case 'opens':
        return this.opens(args[0]);
      case 'record':
        return isOwnRecord(this.topology, args[0], this.shard.group, Number(args[1]))
          ? 'its own'
          : 'not its own';
      default:
        throw new Error(`no such command: ${name}`);
    }
  }

  private get shard(): ShardEntry {
    return this.topology.shards[0];
  }

  private get rows(): readonly ReplicaEntry[] {
    return this.shard.replicas;
  }

  private nodes(names: readonly NodeId[]): string {
    const nodes = names.map((id, at): NodeEntry => ({ ...announcedAs(at + 1), id, ordinal: at + 1 }));
    const [home] = names;
    const shard = { ...this.shard, home, replicas: [{ member: 1, node: home }] };
    this.topology = {
      ...this.topology,
      nodes,
      nextOrdinal: names.length + 1,
      shards: [shard],
      voters: [home],
    };
    return this.describeRow();
  }

  private change(change: TopologyChange): string {
    const changed = applyChange(this.topology, change);
    if (typeof changed === 'string') return `refused: ${changed}`;
    this.topology = { ...changed, epoch: this.topology.epoch + 1 };
    return this.describeRow();
  }

  private walk(options: ReadonlyMap<string, string>): string {
    const members = (names: string | undefined): MemberId[] =>
      (names ?? '').split(',').flatMap((node) => this.memberOn(node) ?? []);
    const [caughtUp, silent] = [members(options.get('caught-up')), members(options.get('silent'))];
    const step = nextStep({
      self: members(options.get('leader'))[0],
      row: this.rows,
      membership: this.inForce,
      hasCaughtUp: (member) => caughtUp.includes(member),
      isFollowing: (member) => !silent.includes(member),
    });
    return this.take(step);
  }

  private take(step: WalkStep): string {
    if (step.kind === 'hand-over') return `hands over to one of ${step.to.join(' ')}`;
    if (step.kind !== 'change') return `${step.kind}s`;
    this.inForce = { ...step.target, votersOld: [] };
    return `in force: ${describeMembership(this.inForce)}`;
  }

  private drop(): string {
    const members = departedMembers(this.rows, this.committed, this.inForce);
    return members.length === 0 ? 'nobody' : this.change({ kind: 'drop-members', shard: 1, members });
  }

  private opens(node: NodeId): string {
    const member = this.memberOn(node);
    if (member === undefined) return 'no member: its files go';
    const { voters } = firstMembership(this.shard, member);
    return `member ${member}: ${voters.length === 0 ? 'empty' : `with voters ${voters.join(' ')}`}, unless its files say more`;
  }

  private memberOn(node: NodeId): MemberId | undefined {
    return this.rows.find((row) => row.node === node)?.member;
  }

  private describeRow(): string {
    const rows = this.rows.map(
      ({ node, member, leaving }) => `${node} ${member}${leaving === true ? ' leaving' : ''}`,
    );
    return `epoch ${this.topology.epoch}: ${rows.join(', ')}; first ${this.shard.first.join(' ')}`;
  }
}
