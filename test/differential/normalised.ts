/**
 * What is not compared byte for byte between Torc and redis-server, each with its reason. Everything else must agree to the last byte.
 *
 * What differs on purpose:
 * - after a failed SELECT a connection refuses commands until one succeeds: else they would run on another database than was meant; the
 *   generator lets one that succeeds follow at once
 * - MSET, MSETNX, RENAME, RENAMENX, COPY, LCS over keys of several slots get CROSSSLOT: no shard could do them at once (cross-slot.ts)
 * - CLUSTER on the client port is refused in Redis's words, and then names the redirect port
 * - CLIENT PAUSE, CLIENT NO-TOUCH ON and CLIENT TRACKING ON are refused: what they promise would hold on one node alone, or not at all
 * - why CONFIG SET refuses a value is said in Torc's words, HELP tells what Torc offers, and SLOWLOG has commands on keys alone
 * - HRANDFIELD refuses to repeat itself more than a million times; redis-server tries
 */
import { type Reply, parseReply } from './reply.ts';

interface Normalisation {
  /** Lower case; a subcommand with its container: `object idletime`. */
  command: string;
  reason: string;
  agree(ours: Reply, theirs: Reply, words: readonly (string | number)[]): boolean;
}

/** How far the clocks of two servers may be apart when they run the same command. */
const CLOCK_TOLERANCE_MS = 5000;

/** Torc keeps expiries after the year 287396 as that time, since the times of its store are doubles; Redis keeps any int64. */
const DISTANT_MS = Number.MAX_SAFE_INTEGER - 1e13;

const GETKEYS_ARITY = "-ERR wrong number of arguments for 'command|getkeys";
const CLUSTER_DISABLED = '-ERR This instance has cluster support disabled\r\n';

const UNORDERED = 'the order is that of a hash table, whose layout is not promised';

const NORMALISATIONS: readonly Normalisation[] = [
  { command: 'keys', reason: UNORDERED, agree: by(sorted) },
  { command: 'hkeys', reason: UNORDERED, agree: by(sorted) },
  { command: 'hvals', reason: UNORDERED, agree: by(sorted) },
  { command: 'hgetall', reason: UNORDERED, agree: by(sortedPairs) },
  {
    command: 'scan',
    reason:
      'cursors are places in a layout of its own, so what one call returns differs; whole scans are compared by a test of their own',
    agree: by((reply) => reply.children.map(({ type }) => type).join(' ')),
  },
  {
    command: 'hscan',
    reason: `${UNORDERED}; cursors too, where the hash is large; a cursor that no server gave means another place to each`,
    agree: (ours, theirs, words) =>
      String(words[2]) !== '0' ||
      [ours, theirs].some((reply) => reply.children[0].text !== '0') ||
      sorted(ours.children[1]) === sorted(theirs.children[1]),
  },
  {
    command: 'dbsize',
    reason: 'keys whose time has come count until they are found to have expired',
    agree: by(shape),
  },
  { command: 'randomkey', reason: 'a random pick', agree: by(shape) },
  { command: 'hrandfield', reason: 'random picks', agree: by(shape) },
  {
    command: 'memory usage',
    reason:
      'each store has its own layout; Redis also counts a key that has expired and was not looked up since',
    agree: (ours, theirs) => theirs.type === ':' && (ours.type === ':' || ours.text === null),
  },
  { command: 'object idletime', reason: 'time', agree: by(shape) },
  {
    command: 'object refcount',
    reason: 'whether an object is shared depends on how it came to be (COPY of a small integer is not)',
    agree: by(shape),
  },
  {
    command: 'object help',
    reason: 'its last line was "Prints this help." until Redis 7.2',
    agree: (ours, theirs) => ours.children.length === theirs.children.length,
  },
  { command: 'pttl', reason: 'time passes between the two servers', agree: near(1) },
  {
    command: 'ttl',
    reason: 'time passes between the two servers',
    agree: near(1000),
  },
  { command: 'pexpiretime', reason: 'relative expiries begin at different times', agree: near(1) },
  {
    command: 'expiretime',
    reason: 'relative expiries begin at different times',
    agree: near(1000),
  },
];

const CONNECTION_NORMALISATIONS: readonly Normalisation[] = [
  {
    command: 'hello',
    reason: 'its values name the server; the fields must be the same',
    agree: by(fieldNames),
  },
  { command: 'client id', reason: 'each server counts its own', agree: by(shape) },
  { command: 'client info', reason: 'addresses, times and the fields of 7.2', agree: by(shape) },
  { command: 'client list', reason: 'addresses, times and the fields of 7.2', agree: by(shape) },
  { command: 'command info', reason: 'tips and flags of 7.2', agree: (a, b) => a.type === b.type },
  { command: 'command count', reason: 'Torc offers fewer commands', agree: by(shape) },
  {
    command: 'command docs',
    reason:
      "the order of a table; sentences are Torc's own, a complexity says no more than how it grows, and there are no `arguments`, `history`, " +
      '`doc_flags`, `deprecated_since`, `replaced_by`: no client needs them but redis-cli for its hints, which it takes from its own table then',
    agree: by(shape),
  },
  { command: 'slowlog get', reason: 'time', agree: (a, b) => a.type === b.type },
  { command: 'slowlog len', reason: 'time', agree: by(shape) },
  { command: 'config help', reason: 'only what Torc offers is listed', agree: (a, b) => a.type === b.type },
  { command: 'wait', reason: 'Torc has replicas', agree: by(shape) },
  { command: 'role', reason: 'a place in a log', agree: (a, b) => a.type === b.type },
  { command: 'time', reason: 'time', agree: by(shape) },
  { command: 'memory doctor', reason: 'advice', agree: by(shape) },
];

const BY_COMMAND = new Map(
  [...NORMALISATIONS, ...CONNECTION_NORMALISATIONS].map((row) => [row.command, row]),
);

/** Are the two replies to the command, as bytes, the same, or the same after what is normalised? */
export function agree(words: readonly (string | number)[], ours: string, theirs: string): boolean {
  if (ours === theirs) return true;
  // COMMAND GETKEYS takes a command of one word since 7.2.
  if (theirs.startsWith(GETKEYS_ARITY) && words.length === 3) return ours.startsWith('-ERR ');
  if (theirs === CLUSTER_DISABLED) return ours.startsWith(CLUSTER_DISABLED.trimEnd());
  if (ours.startsWith('-') || theirs.startsWith('-')) return false;
  const names = words.slice(0, 2).map((word) => String(word).toLowerCase());
  const row = BY_COMMAND.get(names[0]) ?? BY_COMMAND.get(names.join(' '));
  const a = parseReply(Buffer.from(ours, 'latin1'), 0);
  const b = parseReply(Buffer.from(theirs, 'latin1'), 0);
  return row !== undefined && a !== null && b !== null && row.agree(a, b, words);
}

/** Two replies agree when they have the same canonical text. */
function by(canonical: (reply: Reply) => string): (ours: Reply, theirs: Reply) => boolean {
  return (ours, theirs) => canonical(ours) === canonical(theirs);
}

/** Integers that count time in units of `unitMs`. Negative ones have a meaning of their own. */
function near(unitMs: number): (ours: Reply, theirs: Reply) => boolean {
  return (ours, theirs) => {
    const [a, b] = [Number(ours.text), Number(theirs.text)];
    if (ours.type !== theirs.type || a < 0 || b < 0) return false;
    const bothDistant = Math.min(a, b) * unitMs >= DISTANT_MS;
    return bothDistant || Math.abs(a - b) * unitMs <= CLOCK_TOLERANCE_MS;
  };
}

function show({ type, text, children }: Reply): string {
  return `${type}${JSON.stringify(text)}[${children.map(show).join(' ')}]`;
}

function sorted(reply: Reply): string {
  return `${reply.type}${reply.text}[${reply.children.map(show).sort().join(' ')}]`;
}

function sortedPairs(reply: Reply): string {
  const pairs = reply.children.flatMap((field, i) =>
    i % 2 === 0 ? [`${show(field)}=${show(reply.children[i + 1])}`] : [],
  );
  return `${reply.type}${reply.text}[${pairs.sort().join(' ')}]`;
}

/** Of a map, or of an array that stands for one. */
function fieldNames({ type, children }: Reply): string {
  return `${type}${children
    .filter((_, i) => i % 2 === 0)
    .map(show)
    .join(' ')}`;
}

/** The types of the reply and its parts, and how many there are of them. */
function shape({ type, text, children }: Reply): string {
  return `${type}${text === null ? 'null' : ''}[${children.map(shape).join(' ')}]`;
}
