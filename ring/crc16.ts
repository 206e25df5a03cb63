/** CRC16 as Redis Cluster computes it: XMODEM, polynomial 0x1021, initial value 0, nothing reflected. */
const POLYNOMIAL = 0x1021;

/** What a byte adds: see `crc16`. */
export const CRC16_TABLE = makeTable();

/** The CRC16 of `bytes[start, end)`. */
export function crc16(bytes: Uint8Array, start: number, end: number): number {
  const table = CRC16_TABLE;
  let crc = 0;
  for (let i = start; i < end; i++) {
    crc = ((crc << 8) & 0xffff) ^ table[(crc >>> 8) ^ bytes[i]];
  }
  return crc;
}

function makeTable(): Uint16Array {
  const table = new Uint16Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte << 8;
    for (let bit = 0; bit < 8; bit++) {
      crc = crc & 0x8000 ? (crc << 1) ^ POLYNOMIAL : crc << 1;
    }
    table[byte] = crc & 0xffff;
  }
  return table;
}
