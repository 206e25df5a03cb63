/** CRC-32 (IEEE) of a few words: for headers, where a call into native code costs more than the work. */
const POLYNOMIAL = 0xedb88320;
const TABLE = makeTable();

export function headerChecksum(bytes: Uint8Array, start: number, end: number): number {
  let crc = -1;
  for (let i = start; i < end; i += 1) crc = TABLE[(crc ^ bytes[i]) & 0xff] ^ (crc >>> 8);
  return ~crc >>> 0;
}

function makeTable(): Int32Array {
  const table = new Int32Array(256);
  for (let byte = 0; byte < 256; byte += 1) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? POLYNOMIAL ^ (crc >>> 1) : crc >>> 1;
    table[byte] = crc;
  }
  return table;
}
