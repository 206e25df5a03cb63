/**
 * The bytes of a frame: one WebSocket message between two nodes. Little-endian.
 *
 * | offset | size | field |
 * | 0  | 4 | magic: "TORC" |
 * | 4  | 2 | version |
 * | 6  | 2 | number of sections |
 * | 8  | 4 | generation of the sender's topology |
 * | 12 | 4 | ping: an id that asks for its echo; 0 asks nothing |
 * | 16 | 8 | epoch of the sender's topology, float64 |
 * | 24 | 4 | pong: the id that is echoed; 0 for none |
 * | 28 | 4 | zero |
 * | 32 |   | sections |
 *
 * A section:
 *
 * | offset | size | field |
 * | 0 | 1 | kind |
 * | 1 | 3 | zero |
 * | 4 | 4 | size of the body |
 * | 8 |   | body |
 */
export const FRAME_MAGIC = 0x43524f54;
export const FRAME_VERSION = 1;

export const FRAME_MAGIC_AT = 0;
export const FRAME_VERSION_AT = 4;
export const FRAME_SECTIONS_AT = 6;
export const FRAME_GENERATION_AT = 8;
export const FRAME_PING_AT = 12;
export const FRAME_EPOCH_AT = 16;
export const FRAME_PONG_AT = 24;
export const FRAME_ZERO_AT = 28;
export const FRAME_HEADER_BYTES = 32;

export const SECTION_KIND_AT = 0;
export const SECTION_SIZE_AT = 4;
export const SECTION_HEADER_BYTES = 8;
