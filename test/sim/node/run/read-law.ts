/** What must hold of the reads of one group, whoever serves them: told from what is asked, confirmed and read. */
import type { MemberId, RaftCore } from '../../../../src/raft/types.ts';
import type { Broken } from './group-law.ts';

/** What is known of the group's log. */
interface Log {
  readonly committedIndex: number;
  readonly committedTerm: number;
  /** Of a committed entry, if anything happens at its time. */
  timeOf(index: number): number | undefined;
}

export class ReadLaw {
  private readonly log: Log;
  private readonly broken: Broken;
  private readonly group: number;
  /** Of each read by ReadIndex that waits, what was committed when it was asked; of several with one id, the first. */
  private readonly asked = new Map<string, number>();
  /** The highest time that a read was answered at. */
  private servedMs = 0;
  /** An entry's time is the greater of its stamp and the state's: entries after these have such a time at least. */
  private readonly raises: { index: number; timeMs: number }[] = [];

  constructor(group: number, log: Log, broken: Broken) {
    this.group = group;
    this.log = log;
    this.broken = broken;
  }

  /** Nobody holds a lease once somebody leads in a later term, `newest`. */
  onLease({ self, term }: RaftCore, newest = this.log.committedTerm): void {
    if (term < newest)
      this.broken(
        'one-lease',
        `group ${this.group}: member ${self} holds one in term ${term}, and term ${newest} has a leader`,
      );
  }

  onAsked(member: MemberId, id: number): void {
    const key = `${member}/${id}`;
    if (!this.asked.has(key)) this.asked.set(key, this.log.committedIndex);
  }

  /** What was committed before a read was asked is in what it sees. */
  onConfirmed(member: MemberId, id: number, index: number): void {
    const key = `${member}/${id}`;
    const committed = this.asked.get(key);
    this.asked.delete(key);
    if (committed !== undefined && index < committed)
      this.broken(
        'reads-current',
        `group ${this.group}: member ${member} reads at ${index}, and ${committed} was committed when it was asked`,
      );
  }

  /** A process has begun: what its member was asked before is lost. */
  restart(member: MemberId): void {
    for (const key of this.asked.keys()) if (key.startsWith(`${member}/`)) this.asked.delete(key);
  }

  /** Nothing that comes in the log is of an earlier time than a read has seen: a key that was seen expired would be back. */
  onRead(appliedIndex: number, timeMs: number): void {
    const nextMs = this.log.timeOf(appliedIndex + 1);
    if (nextMs !== undefined) this.compare(timeMs, nextMs, appliedIndex + 1);
    this.servedMs = Math.max(this.servedMs, timeMs);
  }

  /** Slots came with the time of their source, which may be ahead. */
  onRaised(index: number, timeMs: number): void {
    const last = this.raises.at(-1);
    if (last === undefined || (index > last.index && timeMs > last.timeMs))
      this.raises.push({ index, timeMs });
  }

  onCommitted(index: number, stampMs: number): void {
    this.compare(this.servedMs, stampMs, index);
  }

  /** Commands go by whole milliseconds. */
  private compare(servedMs: number, stampMs: number, index: number): void {
    const raised = this.raises.findLast((raise) => raise.index < index)?.timeMs ?? 0;
    if (Math.floor(Math.max(stampMs, raised)) < Math.floor(servedMs))
      this.broken(
        'reads-behind-stamps',
        `group ${this.group}: a read was answered at ${servedMs}, and entry ${index} is stamped ${stampMs}`,
      );
  }
}
