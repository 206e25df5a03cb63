import { assert } from '../assert.ts';
import { readF64, readU32, writeF64, writeU32 } from '../little-endian.ts';
import { ENTRY_HEADER_BYTES, EntryKind, writeEntryHeader } from './entry.ts';
import type { Entry } from './entry.ts';
import type { MemberId, Membership } from './types.ts';

/**
 * The payload of a MEMBERSHIP entry: the whole membership, so that it means the same whatever stands before it.
 *
 * Three lists, one after the other: voters, votersOld, learners. Each: its length, uint32; its members, float64 each. Little-endian.
 */
const COUNT_BYTES = 4;
const MEMBER_BYTES = 8;
const MEMBERSHIP_SEED = 0;

/** A whole entry with room for its header. */
export function encodeMembership(membership: Membership, rules: number, stampMs: number): Buffer {
  const lists = [membership.voters, membership.votersOld, membership.learners];
  const members = lists.reduce((sum, list) => sum + list.length, 0);
  const bytes = Buffer.alloc(ENTRY_HEADER_BYTES + lists.length * COUNT_BYTES + members * MEMBER_BYTES);
  let at = ENTRY_HEADER_BYTES;
  for (const list of lists) {
    writeU32(bytes, list.length, at);
    at += COUNT_BYTES;
    for (const member of list) {
      writeF64(bytes, member, at);
      at += MEMBER_BYTES;
    }
  }
  writeEntryHeader(bytes, { kind: EntryKind.MEMBERSHIP, rules, seed: MEMBERSHIP_SEED, stampMs });
  return bytes;
}

export function decodeMembership({ bytes }: Entry): Membership {
  let at = ENTRY_HEADER_BYTES;
  const readMembers = (): MemberId[] => {
    assert(at + COUNT_BYTES <= bytes.length, 'a membership has three lists');
    const end = at + COUNT_BYTES + readU32(bytes, at) * MEMBER_BYTES;
    assert(end <= bytes.length, 'a list of members ends within its entry');
    const members: MemberId[] = [];
    for (at += COUNT_BYTES; at < end; at += MEMBER_BYTES) members.push(readF64(bytes, at));
    return members;
  };
  const membership = { voters: readMembers(), votersOld: readMembers(), learners: readMembers() };
  assert(at === bytes.length, 'nothing follows the lists of members');
  return membership;
}
