/**
 * Compares the replicas of one shard: each is told to expect a mark, the leader puts the mark into the log, and each hashes its state when it has
 * applied it. Without a leader they are compared as they stand, as far as they stand at the same index.
 */
import type { DigestReport, MarkReport } from '../admin/status.ts';
import type { Address } from '../env/contracts.ts';
import type { ShardId } from '../topology/types.ts';
import type { Answered } from './http-get.ts';

/** A mark can be lost with a leader, or passed by a snapshot: then there is another. */
const ATTEMPTS = 3;
const LEADER_WAIT_MS = 3000;
const POLL_MS = 50;
/** For what a node answers at once. */
const ASK_TIMEOUT_MS = 5000;
const HTTP_OK = 200;
const HTTP_NOT_FOUND = 404;
const UINT32_RANGE = 2 ** 32;

export interface ReplicaPlace {
  readonly node: string;
  /** Null: it cannot be asked, for the reason given. */
  readonly address: Address | null;
  readonly reason: string;
}

export interface HashFound {
  readonly node: string;
  readonly index: number | null;
  readonly hash: string | null;
  /** Why there is no hash. */
  readonly reason: string;
}

/** What it needs of the world. */
export interface VerifyClient {
  /** Rejects with an error whose message says why there is no answer. */
  ask(method: 'GET' | 'POST', node: Address, path: string, timeoutMs: number): Promise<Answered>;
  /** From 0 to 1. */
  random(): number;
  nowMs(): number;
  sleep(delayMs: number): Promise<void>;
}

export async function hashesOfShard(
  client: VerifyClient,
  shard: ShardId,
  replicas: readonly ReplicaPlace[],
  timeoutMs: number,
): Promise<HashFound[]> {
  const deadlineMs = client.nowMs() + timeoutMs;
  let best: HashFound[] = [];
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const found = await new MarkRun(client, shard, replicas, deadlineMs).run();
    if (found === null) return standing(client, shard, replicas, timeoutMs);
    if (attempt === 0 || hashed(found) > hashed(best)) best = found;
    const isComplete = replicas.every(({ address }, at) => address === null || found[at].hash !== null);
    if (isComplete || client.nowMs() >= deadlineMs) break;
  }
  return best;
}

function hashed(found: readonly HashFound[]): number {
  return found.filter(({ hash }) => hash !== null).length;
}

class MarkRun {
  private readonly client: VerifyClient;
  private readonly replicas: readonly ReplicaPlace[];
  private readonly deadlineMs: number;
  private readonly query: string;

  constructor(client: VerifyClient, shard: ShardId, replicas: readonly ReplicaPlace[], deadlineMs: number) {
    this.client = client;
    this.replicas = replicas;
    this.deadlineMs = deadlineMs;
    this.query = `shard=${shard}&mark=${Math.floor(client.random() * UINT32_RANGE)}`;
  }

  /** One row a replica, in their order; null: nobody leads. */
  async run(): Promise<HashFound[] | null> {
    const reasons = await Promise.all(this.replicas.map((replica) => this.expect(replica)));
    const index = await this.log();
    if (index === null) return null;
    const results = this.replicas.map(async ({ node, address }, at) =>
      address === null || reasons[at] !== '' ? unknown(node, reasons[at]) : this.result(node, address, index),
    );
    return Promise.all(results);
  }

  /** Empty, or why it does not. */
  private async expect({ address, reason }: ReplicaPlace): Promise<string> {
    if (address === null) return reason;
    try {
      const { status, body } = await this.client.ask(
        'POST',
        address,
        `/api/verify?${this.query}`,
        ASK_TIMEOUT_MS,
      );
      return status === HTTP_OK ? '' : body.trim();
    } catch (error) {
      return messageOf(error);
    }
  }

  /** The index of the mark, once a leader has taken it; null: none has for a while. */
  private async log(): Promise<number | null> {
    const giveUpMs = Math.min(this.deadlineMs, this.client.nowMs() + LEADER_WAIT_MS);
    for (;;) {
      for (const { address } of this.replicas) {
        const index = address === null ? null : await this.logAt(address);
        if (index !== null) return index;
      }
      if (this.client.nowMs() >= giveUpMs) return null;
      await this.client.sleep(POLL_MS);
    }
  }

  private async logAt(node: Address): Promise<number | null> {
    try {
      const { status, body } = await this.client.ask(
        'POST',
        node,
        `/api/verify/mark?${this.query}`,
        ASK_TIMEOUT_MS,
      );
      if (status === HTTP_OK) return (JSON.parse(body) as { index: number }).index;
    } catch {
      // Another may lead; that this one could not be asked is told by its own row.
    }
    return null;
  }

  private async result(node: string, address: Address, index: number): Promise<HashFound> {
    for (;;) {
      const report = await this.read(address);
      if (typeof report === 'string') return unknown(node, report);
      if (report.state === 'done') return { node, index: report.index, hash: report.hash, reason: '' };
      if (report.state === 'failed') return unknown(node, report.reason);
      if (report.state === 'expected' && report.appliedIndex >= index)
        return unknown(node, 'the mark was lost with its leader, or passed by a snapshot');
      if (this.client.nowMs() >= this.deadlineMs)
        return unknown(
          node,
          report.state === 'hashing'
            ? 'its hash was not done in time'
            : `it did not come to index ${index} in time: it has applied ${report.appliedIndex}`,
        );
      await this.client.sleep(POLL_MS);
    }
  }

  private async read(node: Address): Promise<MarkReport | string> {
    try {
      const { status, body } = await this.client.ask(
        'GET',
        node,
        `/api/verify?${this.query}`,
        ASK_TIMEOUT_MS,
      );
      if (status === HTTP_OK) return JSON.parse(body) as MarkReport;
      return status === HTTP_NOT_FOUND ? 'it was restarted meanwhile' : body.trim();
    } catch (error) {
      return messageOf(error);
    }
  }
}

/** As they are: those at one index can be compared. */
function standing(
  client: VerifyClient,
  shard: ShardId,
  replicas: readonly ReplicaPlace[],
  timeoutMs: number,
): Promise<HashFound[]> {
  const one = async ({ node, address, reason }: ReplicaPlace): Promise<HashFound> => {
    if (address === null) return unknown(node, reason);
    try {
      const { status, body } = await client.ask('GET', address, `/api/digest?shard=${shard}`, timeoutMs);
      if (status !== HTTP_OK) return unknown(node, body.trim());
      const { index, digest } = JSON.parse(body) as DigestReport;
      return { node, index, hash: digest, reason: '' };
    } catch (error) {
      return unknown(node, messageOf(error));
    }
  };
  return Promise.all(replicas.map(one));
}

function unknown(node: string, reason: string): HashFound {
  return { node, index: null, hash: null, reason };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
