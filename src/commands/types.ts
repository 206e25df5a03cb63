/** What a command is: a row in its family's table. */
import type { Args } from '../resp/args.ts';
import type { ReplyWriter } from '../resp/reply-writer.ts';
import type { Keyspace, SlotSpan } from '../store/types.ts';
import type { LocalContext } from './local-context.ts';
import type { LongRead } from './long-read.ts';

/** COMMAND's flags, by Redis's names. `write` and `readonly` also decide the path: through the log, or a linearizable read. */
export type CommandFlag =
  | 'write'
  | 'readonly'
  | 'denyoom'
  | 'admin'
  | 'pubsub'
  | 'noscript'
  | 'loading'
  | 'stale'
  | 'skip_monitor'
  | 'skip_slowlog'
  | 'fast'
  | 'no_auth'
  | 'allow_busy'
  | 'no_multi'
  | 'no_async_loading'
  | 'blocking'
  | 'movablekeys';

/**
 * What a command on keys sees. One instance per shard's replica is used again and again. `timeMs` is the entry's time for writes, the read's
 * time for reads; `keyspace.at` has been called. A run writes exactly one reply (but see `long`), and changes nothing before it has checked its arguments.
 */
export interface KeyContext {
  args: Args;
  db: number;
  keyspace: Keyspace;
  reply: ReplyWriter;
  timeMs: number;
  /** Slot of the first key; the slot of argument i where it is a key: `slotOf(i)`. */
  slot: number;
  slotOf(argument: number): number;
  /** Random uint32s: from the entry's seed for writes, so that all replicas draw the same. */
  random(): number;
  /** Those that a command on all keys is about; null: all that are here. */
  slots: readonly SlotSpan[] | null;
  /** The last slot of the run of this shard's slots that SCAN's cursor lies in. */
  scanTo: number;
  /** Access clock for LRU and LFU, of this node alone: it never shapes a write's reply or replicated bytes. */
  monotonicMs: number;
  /** Look-ups of reads that found their key, and that did not; counted up by the commands, read and reset by who owns the context. */
  hits: number;
  misses: number;
  /** A read that may be answered in a later turn. When it is too long for this one it puts the rest into `long`, and writes nothing. */
  mayBeLong: boolean;
  long: LongRead | null;
  /** maxmemory-policy as the log says. */
  lfu: boolean;
}

/** How a command over several keys or all keys is cut into one part per shard, and how the parts' replies become one. */
export type Spread =
  /** All keys lie in one slot, else CROSSSLOT. The default of every command with keys. */
  | { by: 'slot' }
  /** Keys may lie anywhere; each shard gets its keys (with `step` arguments each). */
  | { by: 'keys'; merge: 'sum' | 'array' }
  /** Every shard gets the command as it is. */
  | { by: 'shards'; merge: 'sum' | 'concat' | 'ok' }
  /** Slot after slot, by the cursor in argument 1. */
  | { by: 'scan' }
  /** A shard picked at random by its number of keys; another one when it has none. */
  | { by: 'random' };

/** What COMMAND DOCS tells. */
export interface CommandDoc {
  summary: string;
  since: string;
  /** How its work grows with the number of keys, fields or others that it concerns, as `O(N)`; empty for a container of subcommands. */
  complexity: string;
  group: string;
}

interface RowBase {
  /** Lower case; a subcommand is `container|subcommand`. */
  name: string;
  /** As in COMMAND: positive exact, negative least; the name counts. */
  arity: number;
  flags: readonly CommandFlag[];
  /** ACL categories without `@`, as COMMAND INFO tells them. */
  categories: readonly string[];
  /** As in COMMAND: 0 when there are none; lastKey may be negative, from the end. */
  firstKey: number;
  lastKey: number;
  keyStep: number;
  /** From the lines of its family (documented.ts); what Torc refuses has none. */
  doc?: CommandDoc;
}

/** A command on keys: runs at the shard's leader (reads) or on all its replicas (writes). */
export interface KeyCommand extends RowBase {
  kind: 'key';
  spread: Spread;
  /** What Redis Cluster refuses of it, and so the redirect port does: the error, or null. */
  clusterRefusal?(this: void, args: Args): string | null;
  run(context: KeyContext): void;
}

/** A command of the connection or the node: runs where it arrives. */
export interface LocalCommand extends RowBase {
  kind: 'local';
  /** Its replies are pushes: CLIENT REPLY OFF and SKIP hold none of them back. */
  isPush: boolean;
  run(context: LocalContext): void;
}

export type CommandRow = KeyCommand | LocalCommand;
