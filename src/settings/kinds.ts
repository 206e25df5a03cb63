/**
 * Kinds of values that a setting can have: how text becomes a value (flag, variable, file and CONFIG SET all bring text), and back.
 * Every kind says in words what it allows; that sentence is the error.
 */
import { z } from 'zod';
import type { Address } from '../env/contracts.ts';

export interface Kind<T> {
  /** For tables of documentation; empty when the value is no quantity. */
  readonly unit: string;
  /** Completes "… must be": `a whole number from 1 to 65535`. */
  readonly allowed: string;
  /** A percentage of the machine's memory is taken as well, and turned into bytes before `parse`. */
  readonly shareOfMemory?: boolean;
  /** Undefined when the text is not allowed. */
  parse(text: string): T | undefined;
  /** What CONFIG GET tells. `parse(format(value))` is the value. */
  format(value: T): string;
}

export const MIB = 1024 * 1024;
export const GIB = 1024 * MIB;

/** A whole number within limits. */
export function count(min: number, max: number, unit = ''): Kind<number> {
  return codecKind(
    z.codec(z.string().regex(/^-?\d{1,15}$/), z.number().int().min(min).max(max), {
      decode: Number,
      encode: String,
    }),
    unit,
    `a whole number from ${min} to ${max}${unit === '' ? '' : ` (${unit})`}`,
  );
}

export const port: Kind<number> = { ...count(1, 65_535), allowed: 'a port from 1 to 65535' };

/** An odd number: an even group tolerates no more failures than the odd one below it. */
export function oddCount(max: number): Kind<number> {
  return codecKind(
    z.codec(
      z.string().regex(/^\d+$/),
      z
        .number()
        .int()
        .min(1)
        .max(max)
        .refine((value) => value % 2 === 1),
      { decode: Number, encode: String },
    ),
    '',
    `an odd number from 1 to ${max}`,
  );
}

const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1000,
  kb: 1024,
  m: 1000 * 1000,
  mb: MIB,
  g: 1000 * 1000 * 1000,
  gb: GIB,
};
const SIZE = /^(\d{1,15})(b|k|kb|m|mb|g|gb)?$/i;

/** Bytes, with Redis's suffixes: k is 1000 and kb 1024. */
export function size(min: number, max: number): Kind<number> {
  return codecKind(
    z.codec(z.string().regex(SIZE), z.number().int().min(min).max(max), {
      decode: (text) => {
        const [, digits, suffix = ''] = SIZE.exec(text) ?? [];
        return Number(digits) * SIZE_UNITS[suffix.toLowerCase()];
      },
      encode: String,
    }),
    'bytes',
    `a size from ${sizeText(min)} to ${sizeText(max)}, such as 1048576, 64mb or 1gb`,
  );
}

const CLIENT_CLASSES = new Set(['normal', 'slave', 'replica', 'pubsub']);

/**
 * Bytes that a client may leave unread. CONFIG GET tells it as Redis does, in words for each class of clients, since tools take them apart;
 * the classes have one limit, and no soft one.
 */
export function outputLimit(min: number, max: number): Kind<number> {
  const plain = size(min, max);
  return {
    ...plain,
    parse(given) {
      const hard = hardLimitOf(given.trim().split(/\s+/));
      return hard === undefined ? undefined : plain.parse(hard);
    },
    format(value) {
      const limits = `${plain.format(value)} 0 0`;
      return `normal ${limits} slave ${limits} pubsub ${limits}`;
    },
  };
}

/** Alone, or in fours: class, hard limit, soft limit, seconds. */
function hardLimitOf(words: readonly string[]): string | undefined {
  if (words.length === 1) return words[0];
  const hard = words[1];
  for (let at = 0; at < words.length; at += 4) {
    const [name, limit, soft, seconds] = words.slice(at, at + 4);
    if (!CLIENT_CLASSES.has(name.toLowerCase()) || limit !== hard || soft !== '0' || seconds !== '0')
      return undefined;
  }
  return hard;
}

/** Bytes, or a percentage of the machine's memory. */
export function memory(max: number): Kind<number> {
  return {
    ...size(0, max),
    unit: 'bytes or %',
    allowed: `a size such as 512mb or 4gb, a percentage of the machine's memory from 1% to 100%, or 0 for no limit`,
    shareOfMemory: true,
  };
}

export function choice<const Values extends readonly [string, ...string[]]>(
  values: Values,
): Kind<Values[number]> {
  const allowed = values.length === 2 ? values.join(' or ') : `one of ${values.join(', ')}`;
  const schema = z.enum(values);
  return {
    unit: '',
    allowed,
    parse: (text) => schema.safeParse(text.toLowerCase()).data,
    format: (value) => value,
  };
}

export const yesNo: Kind<boolean> = codecKind(
  z.codec(z.string().regex(/^(yes|no)$/i), z.boolean(), {
    decode: (given) => given.toLowerCase() === 'yes',
    encode: (value) => (value ? 'yes' : 'no'),
  }),
  '',
  'yes or no',
);

export function text(pattern: RegExp, allowed: string): Kind<string> {
  const schema = z.string().regex(pattern);
  return { unit: '', allowed, parse: (given) => schema.safeParse(given).data, format: (value) => value };
}

const HOST = z.string().regex(/^(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252})|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)$/);

/** A host name or an address of IPv4 or IPv6. */
export const host: Kind<string> = {
  unit: '',
  allowed: 'a host name or an IP address',
  parse: (given) => HOST.safeParse(given).data,
  format: (value) => value,
};

/** `host:port,host:port`; IPv6 hosts in brackets. */
export const addresses: Kind<readonly Address[]> = codecKind(
  z.codec(z.string(), z.array(z.object({ host: HOST, port: z.number().int().min(1).max(65_535) })), {
    decode: (given) => splitList(given).map(parseAddress),
    encode: (value) => value.map(formatAddress).join(','),
  }),
  '',
  'a list such as 10.0.0.1:16379,10.0.0.2:16379 without repetitions',
  (value) => new Set(value.map(formatAddress)).size === value.length,
);

export function formatAddress(address: Address): string {
  const name = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `${name}:${address.port}`;
}

/** What is no address gets a port that the schema refuses. */
export function parseAddress(given: string): Address {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:\s]+)):(\d{1,5})$/.exec(given.trim()) ?? [];
  return { host: bracketed ?? plain ?? '', port: digits === undefined ? 0 : Number(digits) };
}

function splitList(given: string): string[] {
  return given
    .split(/[\s,]+/)
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** `60%` of so much memory, in bytes; other text as it is. */
export function resolveShareOfMemory(given: string, memoryBytes: number): string {
  const [, digits] = /^(\d{1,3})%$/.exec(given) ?? [];
  if (digits === undefined) return given;
  const percent = Number(digits);
  if (percent < 1 || percent > 100) return given;
  return String(Math.floor((memoryBytes * percent) / 100));
}

function sizeText(bytes: number): string {
  if (bytes >= GIB && bytes % GIB === 0) return `${bytes / GIB}gb`;
  if (bytes >= MIB && bytes % MIB === 0) return `${bytes / MIB}mb`;
  if (bytes >= 1024 && bytes % 1024 === 0) return `${bytes / 1024}kb`;
  return String(bytes);
}

function codecKind<T>(
  codec: z.ZodType<T, string>,
  unit: string,
  allowed: string,
  accepts: (value: T) => boolean = () => true,
): Kind<T> {
  return {
    unit,
    allowed,
    parse(given) {
      const result = z.safeDecode(codec, given.trim());
      return result.success && accepts(result.data) ? result.data : undefined;
    },
    format: (value) => z.encode(codec, value),
  };
}
