/** An entry without commands and without a prelude: it changes nothing and marks a place in the log. Its seed is the mark's number. */
import { writeU32 } from '../little-endian.ts';
import { ENTRY_HEADER_BYTES, EntryKind, writeEntryHeader } from '../raft/entry.ts';

/** The header, and where the prelude would begin. */
export const MARK_ENTRY_BYTES = ENTRY_HEADER_BYTES + 4;

/** With all but its place in the log. */
export function markEntry(rules: number, mark: number, stampMs: number): Buffer {
  const entry = Buffer.alloc(MARK_ENTRY_BYTES);
  writeU32(entry, MARK_ENTRY_BYTES - ENTRY_HEADER_BYTES, ENTRY_HEADER_BYTES);
  writeEntryHeader(entry, { kind: EntryKind.COMMANDS, rules, seed: mark, stampMs });
  return entry;
}
