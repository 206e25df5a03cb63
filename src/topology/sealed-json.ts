/** A small file of JSON behind its checksum. Every byte of it counts: what is not just as it was written is damaged. */
import { crc32 } from 'node:zlib';
import { DamagedError } from '../wal/errors.ts';

const HEAD = '{"checksum":"';
const CHECKSUM_DIGITS = 8;
const BETWEEN = '","content":';
const END = '}\n';
const CONTENT_AT = HEAD.length + CHECKSUM_DIGITS + BETWEEN.length;

export function sealJson(content: object): Buffer {
  const json = Buffer.from(JSON.stringify(content));
  return Buffer.concat([Buffer.from(headOf(json)), json, Buffer.from(END)]);
}

/** The content. Throws when it is damaged; undefined when it is not of this form, as files of earlier builds. */
export function unsealJson(path: string, bytes: Uint8Array): unknown {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (all.toString('latin1', 0, HEAD.length) !== HEAD) return undefined;
  const json = all.subarray(CONTENT_AT, Math.max(CONTENT_AT, all.length - END.length));
  const isWhole =
    all.toString('latin1', 0, CONTENT_AT) === headOf(json) &&
    all.toString('latin1', CONTENT_AT + json.length) === END;
  if (!isWhole) throw new DamagedError(path, 0, 'its checksum is wrong');
  return JSON.parse(json.toString('utf8'));
}

function headOf(json: Buffer): string {
  return `${HEAD}${crc32(json).toString(16).padStart(CHECKSUM_DIGITS, '0')}${BETWEEN}`;
}
