import { assert } from '../assert.ts';
import { EntryKind, entryStampMs } from './entry.ts';
import type { Entry } from './entry.ts';
import type { MemberState } from './state.ts';
import type {
  AppendRequest,
  AppendResponse,
  Heartbeat,
  HeartbeatResponse,
  Message,
  SnapshotChunk,
} from './types.ts';

const NO_PROMISE_MS = 0;

/** The follower's side of log replication (§5.3). */
export class Follower {
  private readonly state: MemberState;

  constructor(state: MemberState) {
    this.state = state;
  }

  onAppend(request: AppendRequest): void {
    const { log, outbox, storage, config } = this.state;
    assertConsecutive(request);
    const { prevIndex, prevTerm, entries } = this.aboveCommit(request);
    if (!log.matches(prevIndex, prevTerm)) {
      storage.sendAfterHardState(this.refusal(request), outbox.send);
      return;
    }
    this.store(entries);
    const lastNew = prevIndex + entries.length;
    this.state.commitTo(Math.min(request.commit, lastNew));
    if (entries.length > 0) config.timekeeper.observe(entryStampMs(entries[entries.length - 1]));
    storage.sendAfterAll(this.appendResponse(request, true, lastNew, 0, 0), outbox.send);
  }

  onHeartbeat(request: Heartbeat): void {
    const { config, outbox, storage } = this.state;
    this.state.commitTo(request.commit);
    storage.sendAfterHardState(this.heartbeatResponse(request, config.electionTimeoutMs), outbox.send);
  }

  /** A leader of an earlier term learns of the later one, and follows (§5.1). */
  refuseStale(request: AppendRequest | Heartbeat | SnapshotChunk): void {
    const { outbox, storage } = this.state;
    storage.sendAfterHardState(this.heartbeatResponse(request, NO_PROMISE_MS), outbox.send);
  }

  /** Committed entries are known to be equal: the append may start in the middle of them, or before a compaction. */
  private aboveCommit(request: AppendRequest): {
    prevIndex: number;
    prevTerm: number;
    entries: readonly Entry[];
  } {
    const { commitIndex, log } = this.state;
    if (request.prevIndex >= commitIndex) return request;
    const entries = request.entries.slice(commitIndex - request.prevIndex);
    return { prevIndex: commitIndex, prevTerm: log.termAt(commitIndex), entries };
  }

  private store(entries: readonly Entry[]): void {
    const { commitIndex, log, storage } = this.state;
    for (const entry of entries) {
      if (log.matches(entry.index, entry.term)) continue;
      if (entry.index <= log.lastIndex) {
        assert(entry.index > commitIndex, 'a committed entry is never replaced');
        this.state.truncateLog(entry.index);
      }
      log.append(entry);
      if (entry.kind === EntryKind.MEMBERSHIP) this.state.adoptMembership(entry);
      storage.logChanged(entry.index);
    }
  }

  private refusal(request: AppendRequest): Message {
    const hint = this.state.log.agreementHint(request.prevIndex, request.prevTerm);
    return this.appendResponse(request, false, request.prevIndex, hint.index, hint.term);
  }

  /** Plain literals: these are made for every batch. */
  private appendResponse(
    request: AppendRequest,
    accepted: boolean,
    index: number,
    hintIndex: number,
    hintTerm: number,
  ): AppendResponse {
    const { config, self, term } = this.state;
    return {
      kind: 'append-response',
      group: config.group,
      from: self,
      to: request.from,
      term,
      session: request.session,
      round: request.round,
      promiseMs: config.electionTimeoutMs,
      accepted,
      index,
      hintIndex,
      hintTerm,
    };
  }

  private heartbeatResponse(
    request: AppendRequest | Heartbeat | SnapshotChunk,
    promiseMs: number,
  ): HeartbeatResponse {
    const { config, self, term } = this.state;
    return {
      kind: 'heartbeat-response',
      group: config.group,
      from: self,
      to: request.from,
      term,
      session: request.session,
      round: request.round,
      promiseMs,
    };
  }
}

function assertConsecutive({ prevIndex, prevTerm, entries, term }: AppendRequest): void {
  let index = prevIndex;
  let lastTerm = prevTerm;
  for (const entry of entries) {
    assert(entry.index === ++index, 'an append holds consecutive entries');
    assert(entry.term >= lastTerm && entry.term <= term, 'terms do not fall along an append');
    lastTerm = entry.term;
  }
}
