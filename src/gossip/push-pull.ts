/**
 * Push-pull: two members compare what they hold of all others, and tell each other what differs. First a hash a bucket, so that members that agree
 * exchange no more than that however many there are.
 */
import { MESSAGE_BYTES_MOST, rumourBytes } from './codec.ts';
import { BUCKETS, type Member } from './member.ts';
import type { MemberTable } from './member-table.ts';
import type { MemberName, Rumour } from './types.ts';
import { SCALED_ABOVE_MEMBERS } from './view.ts';

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
