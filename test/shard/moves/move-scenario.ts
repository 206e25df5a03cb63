/** Groups S, D and T, what is on its way between them, and commands that move one thing at a time. */
import type { StateMachine } from '../../../src/shard/state-machine.ts';
import { Refusal } from '../../../src/shard/waiter.ts';
import {
  MoveItemType,
  itemBytes,
  itemRanges,
  moveItemType,
  pieceOffset,
  pieceSlot,
  readActivation,
  slotsItem,
} from '../../../src/shard/moves/move-item.ts';
import { MoveAnswer, MoveOutcome, SlotState } from '../../../src/shard/moves/slot-state.ts';
import type { ItemAnswers } from '../../../src/shard/moves/types.ts';
import { slotsOf } from '../../../src/topology/slot-ranges.ts';
import { Group, NOW } from '../../sim/moves/group.ts';
import { contentOf, slotOfKey } from '../../sim/moves/oracle.ts';
import { rangesOf } from '../../sim/moves/world.ts';

const SHARDS = ['S', 'D', 'T'];
const CLIENT = 1;
const REFUSALS: Record<number, string> = {
  [Refusal.FROZEN]: 'refused: its owner is being decided',
  [Refusal.MOVED]: 'refused: not here',
  [Refusal.OUTDATED]: 'refused: answered before',
};
const ANSWERS: Record<MoveAnswer, string> = {
  [MoveAnswer.DONE]: 'done',
  [MoveAnswer.WENT]: 'went',
  [MoveAnswer.ABORTED]: 'aborted',
  [MoveAnswer.OLD_TERM]: 'of an old term',
  [MoveAnswer.NOT_NEXT]: 'not what is next',
  [MoveAnswer.NOT_NOW]: 'not now',
  [MoveAnswer.PENDING]: 'waits for transactions',
};
const STATES: Record<SlotState, string> = {
  [SlotState.NONE]: 'none',
  [SlotState.OWNED]: 'owned',
  [SlotState.FROZEN]: 'frozen',
  [SlotState.STAGING]: 'staging',
};
const ITEMS: Partial<Record<MoveItemType, string>> = {
  [MoveItemType.CUT]: 'cut',
  [MoveItemType.CUT_END]: 'end of cut',
  [MoveItemType.EFFECTS]: 'effects',
};
const STEPS: Record<string, 5 | 6 | 12> = {
  moved: MoveItemType.MOVED,
  thaw: MoveItemType.THAW,
  abort: MoveItemType.IMPORT_ABORT,
};

export class MoveScenario {
  private readonly groups = new Map<string, Group>();
  private readonly tags = new Map<number, string>();
  private readonly messages = new Map<string, Buffer>();
  private readonly victims = new Map<string, { db: number; key: Buffer; version: number }>();
  private sequence = 0;
  private lines: string[] = [];

  /** Runs one command; returns what it prints. */
  run(command: string): string {
    this.lines = [];
    const [first, ...args] = command.split(' ');
    const group = this.groups.get(first);
    if (first === 'groups') this.make(args);
    else if (group !== undefined) this.runAt(group, args);
    else throw new Error(`no such command: ${command}`);
    return this.lines.length === 0 ? 'ok' : this.lines.join('\n');
  }

  /** `groups {a} {b} kept=100`: S has these slots; so many bytes of effects are kept. */
  private make(args: string[]): void {
    const tags = args.filter((arg) => arg.startsWith('{'));
    const kept = args.find((arg) => arg.startsWith('kept='));
    for (const tag of tags) this.tags.set(slotOfKey(tag), tag);
    const slots = rangesOf(tags.map(slotOfKey));
    for (const [at, name] of SHARDS.entries())
      this.groups.set(name, new Group(at + 1, at === 0 ? slots : [], 3, Number(kept?.slice(5) ?? 1e9)));
  }

  private runAt(group: Group, [name, ...args]: string[]): void {
    const handler = this.commands[name];
    if (handler !== undefined) handler(group, args);
    else if (name.startsWith('#')) this.send(group, Number(name.slice(1)), args);
    else this.send(group, (this.sequence += 1), [name, ...args]);
  }

  private readonly commands: Record<string, (group: Group, args: string[]) => void> = {
    /** S gives the slots to a group; the group is told who gives. */
    export: (group, [move, to, ...tags]) => {
      const slots = this.ranges(tags);
      this.log(group, slotsItem(MoveItemType.EXPORT_BEGIN, Number(move), SHARDS.indexOf(to) + 1, slots));
    },
    import: (group, [move, from, ...tags]) => {
      const slots = this.ranges(tags);
      this.log(group, slotsItem(MoveItemType.IMPORT_BEGIN, Number(move), SHARDS.indexOf(from) + 1, slots));
    },
    fence: (group, [move, ...tags]) => {
      const ends = group.machine.moves.exports.endsOf(tags.map(slotOfKey));
      this.log(group, slotsItem(MoveItemType.FENCE, Number(move), ends, this.ranges(tags)));
    },
    moved: (group, args) => this.step(group, 'moved', args),
    thaw: (group, args) => this.step(group, 'thaw', args),
    abort: (group, args) => this.step(group, 'abort', args),
    /** The leader of the source goes on from what the target says that it has. */
    resume: (group, [move, from, ...tags]) => {
      const slots = tags.map(slotOfKey);
      const positions = this.group(from).machine.moves.positions(Number(move), slots);
      for (const { slot, isCut, cutIndex, offset } of positions) {
        const what = isCut ? 'effects' : cutIndex === 0 ? 'a cut' : 'the cut';
        this.lines.push(`${this.tag(slot)} wants ${what} from ${offset}`);
      }
      group.feed(Number(move)).resume(positions);
    },
    /** What the source's leader gives now goes on its way, under a name. */
    give: (group, [move, name, maxBytes]) => {
      const items = group.feed(Number(move)).next(Number(maxBytes ?? 1e6));
      this.keep(name, items);
    },
    activation: (group, [move, name, ...tags]) => {
      this.keep(name, group.feed(Number(move)).activation(tags.map(slotOfKey), NOW));
    },
    /** A message comes in, and is logged. It may come again. */
    takes: (group, [name]) => {
      const items = this.messages.get(name);
      if (items === undefined) throw new Error(`there is no message ${name}`);
      this.log(group, items);
    },
    elect: (group, [replica]) => group.elect(Number(replica)),
    time: (group, [ms]) => {
      group.timeMs = Number(ms);
    },
    states: (group, tags) => {
      for (const tag of tags) {
        const { moves } = group.machine;
        const slot = slotOfKey(tag);
        const ended = moves.endedOf(slot);
        const how = moves.outcomeOf(slot) === MoveOutcome.WENT ? 'went' : 'aborted';
        const last = ended === 0 ? '' : `, move ${ended} ${how}`;
        this.lines.push(`${tag} ${STATES[moves.stateOf(slot)]}, epoch ${moves.epochOf(slot)}${last}`);
      }
    },
    holds: ({ machine, timeMs }, [tag]) => {
      const text = contentOf(
        machine.keyspace,
        slotOfKey(tag),
        Math.max(timeMs, machine.timeMs),
        machine.version,
      );
      this.lines.push(text === '' ? 'nothing' : text);
    },
    version: ({ machine }, [key]) => this.lines.push(`version ${this.versionOf(machine, key)}`),
    /** Decides to remove a key as it is now; that may come later, at another group. */
    victim: ({ machine }, [key, name]) => {
      this.victims.set(name, { db: 0, key: Buffer.from(key), version: this.versionOf(machine, key) });
    },
    removes: (group, [reason, name]) => {
      const victim = this.victims.get(name);
      if (victim === undefined) throw new Error(`there is no victim ${name}`);
      const { keyspace } = group.machine;
      const before = keyspace.evictedCount + keyspace.expiredCount;
      group.remove(victim, reason === 'expires' ? 'expired' : 'evicted');
      this.lines.push(keyspace.evictedCount + keyspace.expiredCount > before ? 'removed' : 'nothing done');
    },
    /** A transaction on the slot is prepared, or decided. */
    prepares: ({ machine }, [tag]) => {
      const { moves } = machine;
      if (moves.barsTransactions(slotOfKey(tag))) this.lines.push('refused: a fence waits');
      else moves.undecided = (slot) => slot === slotOfKey(tag);
    },
    decides: ({ machine }, [tag]) => {
      machine.moves.undecided = () => false;
      machine.moves.decided(slotOfKey(tag));
    },
  };

  private send(group: Group, sequence: number, words: string[]): void {
    const { text, refusal } = group.command(words, CLIENT, sequence, 1);
    this.lines.push(refusal === null ? (text ?? '').trim().replaceAll('\r\n', ' ') : REFUSALS[refusal]);
  }

  private step(group: Group, name: string, [move, ...tags]: string[]): void {
    this.log(group, slotsItem(STEPS[name], Number(move), 0, this.ranges(tags)));
  }

  private log(group: Group, items: Buffer): void {
    for (const answers of group.move(items)) this.tell(answers);
  }

  private tell({ slots, answers }: ItemAnswers): void {
    for (const [i, slot] of slots.entries()) this.lines.push(`${this.tag(slot)} ${ANSWERS[answers[i]]}`);
  }

  private keep(name: string, items: Buffer | null): void {
    if (items === null) {
      this.lines.push('nothing');
      return;
    }
    this.messages.set(name, items);
    for (let at = 0; at < items.length; at += itemBytes(items, at))
      this.lines.push(`${name}: ${this.describe(items, at)}`);
  }

  private describe(items: Buffer, at: number): string {
    const type = moveItemType(items, at);
    if (type === MoveItemType.ACTIVATE) {
      const { slots } = readActivation(items, at);
      return `activation of ${slots.map(({ slot, keys }) => `${this.tag(slot)} with ${keys} keys`).join(', ')}`;
    }
    const what = ITEMS[type];
    if (what === undefined)
      return slotsOf(itemRanges(items, at))
        .map((slot) => this.tag(slot))
        .join(' ');
    return `${what} of ${this.tag(pieceSlot(items, at))} from ${pieceOffset(items, at)}`;
  }

  private versionOf({ keyspace, timeMs, version }: StateMachine, key: string): number {
    const bytes = Buffer.from(key);
    keyspace.at(timeMs, version, false);
    return keyspace.versionOf(keyspace.find(0, slotOfKey(key), bytes, 0, bytes.length));
  }

  private group(name: string): Group {
    const group = this.groups.get(name);
    if (group === undefined) throw new Error(`there is no group ${name}`);
    return group;
  }

  private tag(slot: number): string {
    return this.tags.get(slot) ?? String(slot);
  }

  private ranges(tags: string[]): { from: number; to: number }[] {
    return rangesOf(tags.map(slotOfKey));
  }
}
