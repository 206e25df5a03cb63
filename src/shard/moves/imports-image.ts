/**
 * The imports of a group but for the keys and sessions that they have staged: for snapshots, and for the hash that replicas compare.
 *
 * A move's term: | 1 | move, float64 | term, float64 |
 * A slot: | 2 | flags: 1 cut, 2 its sessions are read, 4 it is being loaded | slot, u16 | move, cut's term, index, bytes, effects' end, float64 |
 * | sums of cut and effects, u32 | lengths of what follows, u32: bytes of sessions, of an effect, the loader's state |
 */
import { readF64, readU16, readU32, writeF64, writeU16, writeU32 } from '../../little-endian.ts';
import { SlotImport, type Imports } from './imports.ts';

const TERM = 1;
const SLOT = 2;
const TERM_BYTES = 17;
const IS_CUT = 1;
const HAS_SESSIONS = 2;
const IS_LOADING = 4;
const SLOT_BYTES = 64;

/** Ordered by the content alone. */
export function imageOfImports({ slots, terms }: Imports): Buffer {
  const parts: Buffer[] = [];
  for (const [move, term] of [...terms].sort(([a], [b]) => a - b)) {
    const part = Buffer.alloc(TERM_BYTES);
    part[0] = TERM;
    writeF64(part, move, 1);
    writeF64(part, term, 9);
    parts.push(part);
  }
  for (const one of [...slots.values()].sort((a, b) => a.slot - b.slot)) parts.push(...slotParts(one));
  return Buffer.concat(parts);
}

function slotParts(one: SlotImport): Buffer[] {
  const { slot, move, cutTerm, cutIndex, isCut, load, sessionParts, tail, tailBytes } = one;
  const state = load?.state();
  const head = Buffer.alloc(SLOT_BYTES);
  head[0] = SLOT;
  head[1] =
    (isCut ? IS_CUT : 0) |
    (sessionParts === null ? HAS_SESSIONS : 0) |
    (state === undefined ? 0 : IS_LOADING);
  writeU16(head, slot, 2);
  for (const [i, value] of [move, cutTerm, cutIndex, one.cutBytes, one.effectsEnd].entries())
    writeF64(head, value, 4 + i * 8);
  writeU32(head, one.cutSum, 44);
  writeU32(head, one.effectsSum, 48);
  writeU32(head, one.sessionPartsBytes, 52);
  writeU32(head, tailBytes, 56);
  writeU32(head, state?.length ?? 0, 60);
  const parts = [head, ...(sessionParts ?? []), ...tail];
  if (state !== undefined) parts.push(state);
  return parts;
}

/** The staging areas hold already what they held. */
export function loadImports(imports: Imports, image: Buffer): void {
  let at = 0;
  while (at < image.length) {
    if (image[at] === TERM) {
      imports.terms.set(readF64(image, at + 1), readF64(image, at + 9));
      at += TERM_BYTES;
    } else {
      at = loadSlot(imports, image, at);
    }
  }
}

function loadSlot(imports: Imports, image: Buffer, at: number): number {
  const [move, cutTerm, cutIndex, cutBytes, effectsEnd] = [0, 1, 2, 3, 4].map((i) =>
    readF64(image, at + 4 + i * 8),
  );
  const one = new SlotImport(readU16(image, at + 2), move);
  const flags = image[at + 1];
  const sessionsAt = at + SLOT_BYTES;
  const tailAt = sessionsAt + readU32(image, at + 52);
  const stateAt = tailAt + readU32(image, at + 56);
  const end = stateAt + readU32(image, at + 60);
  Object.assign(one, { cutTerm, cutIndex, cutBytes, effectsEnd, isCut: (flags & IS_CUT) !== 0 });
  one.cutSum = readU32(image, at + 44);
  one.effectsSum = readU32(image, at + 48);
  one.sessionPartsBytes = tailAt - sessionsAt;
  if ((flags & HAS_SESSIONS) !== 0) one.sessionParts = null;
  else if (one.sessionPartsBytes > 0) one.sessionParts = [Buffer.from(image.subarray(sessionsAt, tailAt))];
  one.tailBytes = stateAt - tailAt;
  one.tail = one.tailBytes === 0 ? [] : [Buffer.from(image.subarray(tailAt, stateAt))];
  if ((flags & IS_LOADING) !== 0) {
    one.load = imports.loading.beginSlotLoad();
    one.load.restore(image.subarray(stateAt, end));
  }
  imports.slots.set(one.slot, one);
  return end;
}
