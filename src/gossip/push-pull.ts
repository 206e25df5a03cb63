/**
 * Push-pull: two members compare what they hold of all others, and tell each other what differs. First a hash a bucket, so that members that agree
 * exchange no more than that however many there are.
 */
import { MESSAGE_BYTES_MOST, rumourBytes } from './codec.ts';
import { BUCKETS, type Member } from './member.ts';
import type { MemberTable } from './member-table.ts';
import { MEMBERS_MOST, type GossipConfig, type MemberName, type Rumour, type SyncBody } from './types.ts';
import { SCALED_ABOVE_MEMBERS, type View } from './view.ts';

/** Rows in one message, in bytes: what is left is the header's. */
const ROWS_BYTES = MESSAGE_BYTES_MOST - 1024;

/** memberlist's: twice as many members than are free of it make the interval one longer. */
export function pushPullIntervalMs(intervalMs: number, members: number): number {
  if (members <= SCALED_ABOVE_MEMBERS) return intervalMs;
  return intervalMs * (Math.ceil(Math.log2(members) - Math.log2(SCALED_ABOVE_MEMBERS)) + 1);
}

/** What is held of the members in the buckets whose hashes differ, in parts of one message each; none when all are equal. */
export function differingRows(members: MemberTable, theirs: Uint32Array): Rumour[][] {
  const differs = Array.from({ length: BUCKETS }, (_, bucket) => theirs[bucket] !== members.hashes[bucket]);
  if (!differs.includes(true)) return [];
  const parts: Rumour[][] = [[]];
  let leftBytes = ROWS_BYTES;
  for (const member of members.list) {
    if (!differs[member.bucket]) continue;
    const rows = rowsOf(member, members.self.name);
    const sizeBytes = rows.reduce((sum, row) => sum + rumourBytes(row), 0);
    if (sizeBytes > leftBytes) {
      parts.push([]);
      leftBytes = ROWS_BYTES;
    }
    leftBytes -= sizeBytes;
    parts[parts.length - 1].push(...rows);
  }
  return parts;
}

/** All that is held of the member, and may be told: nothing of one that was never heard. */
export function rowsOf(member: Member, self: MemberName): Rumour[] {
  const { name, incarnation, metadata, state, suspicion } = member;
  if (incarnation === 0) return [];
  const accused = { name, incarnation };
  if (state === 'dead') return [{ kind: 'dead', ...accused, from: self }];
  if (state === 'left') return [{ kind: 'left', ...accused, from: name }];
  return [
    ...(metadata === null ? [] : [{ kind: 'alive', ...accused, metadata } as const]),
    ...(suspicion === null ? [] : [{ kind: 'suspect', ...accused, from: suspicion.from } as const]),
  ];
}

export class PushPull {
  private readonly config: GossipConfig;
  private readonly view: View;
  private readonly send: (to: MemberName, body: SyncBody) => void;
  private nextMs: number;
  /** An exchange that this member began is under way until then, unless it is answered sooner. */
  private busyUntilMs = 0;
  /** Members to exchange with, one after the other: what one tells need not be told by all. */
  private readonly waiting = new Set<MemberName>();

  constructor(
    config: GossipConfig,
    view: View,
    nowMs: number,
    send: (to: MemberName, body: SyncBody) => void,
  ) {
    this.config = config;
    this.view = view;
    this.send = send;
    this.nextMs = nowMs + (config.random() % config.settings.pushPullIntervalMs);
  }

  nextDeadlineMs(): number {
    return this.waiting.size > 0 ? Math.min(this.nextMs, this.busyUntilMs) : this.nextMs;
  }

  tick(nowMs: number): void {
    if (nowMs >= this.nextMs) this.choose(nowMs);
    this.goOn(nowMs);
  }

  exchangeWith(name: MemberName, nowMs: number): void {
    if (this.waiting.size < MEMBERS_MOST) this.waiting.add(name);
    this.goOn(nowMs);
  }

  /** One that lives, and, in case that it does after all, one that is dead. */
  private choose(nowMs: number): void {
    const { members } = this.view;
    this.nextMs = nowMs + pushPullIntervalMs(this.config.settings.pushPullIntervalMs, members.liveCount);
    const living = members.pick(1, ({ state }) => state === 'alive');
    const dead = members.pick(1, ({ state, isExpected }) => state === 'dead' && isExpected);
    for (const { name } of [...living, ...dead]) this.exchangeWith(name, nowMs);
  }

  private goOn(nowMs: number): void {
    if (nowMs < this.busyUntilMs) return;
    for (const name of this.waiting) {
      this.waiting.delete(name);
      this.busyUntilMs = nowMs + this.config.settings.probeTimeoutMs;
      this.send(name, { kind: 'sync', hashes: this.view.members.hashes.slice() });
      return;
    }
  }

  // --- what comes

  /** While this member is being told by another, it does not ask to be told the same once more, and knows for certain only itself. */
  onSync(from: MemberName, theirs: Uint32Array, nowMs: number): void {
    if (nowMs >= this.busyUntilMs) {
      this.tell(from, theirs, true);
      return;
    }
    const { hashes, self } = this.view.members;
    if (theirs[self.bucket] === hashes[self.bucket]) return;
    const rumours = rowsOf(self, self.name);
    this.send(from, { kind: 'sync-rows', hashes: hashes.slice(), rumours, wantsRows: false });
  }

  /** The rows are taken in. */
  onRows(from: MemberName, hashes: Uint32Array, wantsRows: boolean, nowMs: number): void {
    if (!wantsRows) return;
    this.tell(from, hashes, false);
    this.busyUntilMs = nowMs;
    this.goOn(nowMs);
  }

  private tell(to: MemberName, theirs: Uint32Array, wantsRows: boolean): void {
    const { members } = this.view;
    const parts = differingRows(members, theirs);
    const hashes = members.hashes.slice();
    // The last part asks: by then the receiver has taken in all.
    for (const [at, rumours] of parts.entries())
      this.send(to, { kind: 'sync-rows', hashes, rumours, wantsRows: wantsRows && at === parts.length - 1 });
  }
}
