/** Expiry times as commands give them: relative or absolute, in seconds or milliseconds. */
import { INT64_MAX, parseBigInt64, parseInteger } from '../resp/number.ts';
import { NOT_AN_INTEGER, invalidExpireTime } from './error-texts.ts';
import type { KeyContext } from './types.ts';

/**
 * The latest expiry kept, in the year 287396. Redis keeps any int64; what lies beyond is kept as this, since the store's times are
 * doubles.
 */
const EXPIRY_MAX_MS = Number.MAX_SAFE_INTEGER;

export const SECONDS = 1000;
export const MILLISECONDS = 1;

/** The time that relative expiries count from: log time has fractions, expiries are whole milliseconds. */
export function nowMs(context: KeyContext): number {
  return Math.floor(context.timeMs);
}

/** NaN: the argument is refused, and answered. May be 0 or negative. */
export function parseExpiry(context: KeyContext, argument: number, unitMs: number, fromMs: number): number {
  const { args, reply } = context;
  const value = parseInteger(args.bytes, args.start[argument], args.end[argument]);
  if (Number.isNaN(value)) {
    reply.error(NOT_AN_INTEGER);
    return NaN;
  }
  const timeMs = value * unitMs + fromMs;
  if (Math.abs(timeMs) <= EXPIRY_MAX_MS) return timeMs;
  return parseDistantExpiry(context, argument, unitMs, fromMs);
}

function parseDistantExpiry(context: KeyContext, argument: number, unitMs: number, fromMs: number): number {
  const { args } = context;
  const value = parseBigInt64(args.bytes, args.start[argument], args.end[argument]) * BigInt(unitMs);
  if (value + BigInt(fromMs) > INT64_MAX || value < -INT64_MAX - 1n) {
    refuseExpiry(context);
    return NaN;
  }
  return value > 0n ? EXPIRY_MAX_MS : -EXPIRY_MAX_MS;
}

/** As `parseExpiry`, for commands that refuse what is not positive: SET, SETEX, GETEX. */
export function parsePositiveExpiry(
  context: KeyContext,
  argument: number,
  unitMs: number,
  fromMs: number,
): number {
  const timeMs = parseExpiry(context, argument, unitMs, fromMs);
  if (timeMs - fromMs <= 0) {
    refuseExpiry(context);
    return NaN;
  }
  return timeMs;
}

function refuseExpiry(context: KeyContext): void {
  context.reply.error(invalidExpireTime(context.args.text(0).toLowerCase()));
}
