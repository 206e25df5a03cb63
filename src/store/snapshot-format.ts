/**
 * The bytes of a snapshot. A stream of records, cut anywhere into frames: payload length (u32), CRC-32 of the payload (u32), payload. The
 * stream begins with a magic and the format's version; all numbers are little-endian.
 *
 * Records of keys with a short value hold it. A long string, a large hash or a long field of one begins with a record that gives it a
 * number, and its parts or fields follow whenever they are come upon, between other records.
 */
import { TorcError } from '../errors.ts';

export const MAGIC = Buffer.from('TORCKEYS', 'latin1');
export const FORMAT_VERSION = 1;
export const PREAMBLE_BYTES = MAGIC.length + 1;
export const FRAME_HEADER_BYTES = 8;

export const RecordKind = {
  KEY: 1,
  LONG_STRING: 2,
  PART: 3,
  TABLE: 4,
  FIELD: 5,
  LONG_FIELD: 6,
  END: 7,
} as const;

/** Offsets in the records KEY, LONG_STRING and TABLE; the key follows, and in KEY the value. A TABLE's value length is its number of fields. */
export const KeyRecord = {
  NUMBER: 1,
  DATABASE: 5,
  TYPE: 6,
  ENCODING: 7,
  SLOT: 8,
  VERSION: 10,
  EXPIRY: 16,
  KEY_LENGTH: 24,
  VALUE_LENGTH: 28,
  BYTES: 32,
} as const;

/** Offsets in PART; the bytes follow. */
export const PartRecord = { NUMBER: 1, LENGTH: 5, BYTES: 9 } as const;

/** Offsets in FIELD; field and value follow. */
export const FieldRecord = { NUMBER: 1, FIELD_LENGTH: 5, VALUE_LENGTH: 9, BYTES: 13 } as const;

/** Offsets in LONG_FIELD; the field follows, the value comes in parts by the field's own number. */
export const LongFieldRecord = { TABLE: 1, NUMBER: 5, FIELD_LENGTH: 9, VALUE_LENGTH: 13, BYTES: 17 } as const;

/** Offsets in END. */
export const EndRecord = { KEY_COUNT: 1, BYTES: 9 } as const;

/** A snapshot whose bytes are not what was written, or not of a format known here. */
export class SnapshotDamagedError extends TorcError {
  constructor(message: string) {
    super('TORC_SNAPSHOT_DAMAGED', `the snapshot is damaged: ${message}`);
  }
}
