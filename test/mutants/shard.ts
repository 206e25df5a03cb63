import type { Mutant } from './mutant.ts';

/** Rules of a shard and of the way to it: snapshots, sessions, forwarding, the order of commands, log time. */
export const SHARD_MUTANTS: readonly Mutant[] = [
  // Reads
  {
    rule: '#6: the lease is looked at when a read is answered',
    file: 'src/shard/replica.ts',
    find: '      now.monotonicMs < raft.leaseUntilMonotonicMs &&\n      now.wallMs < raft.leaseUntilWallMs &&\n',
    put: '      raft.leaseUntilMonotonicMs > 0 &&\n',
    simulated: 'nodes',
  },
  {
    rule: 'history 7: the clock is read after the bytes were, not when the node stood still before',
    file: 'src/server/server.ts',
    find: 'this.chunkStartMs = this.deps.engine.readClock().monotonicMs;',
    put: 'this.chunkStartMs = this.deps.engine.now.monotonicMs;',
    simulated: 'nodes',
  },

  // Snapshots
  {
    rule: '#10: a snapshot names the entry that its state has applied last',
    file: 'src/shard/snapshotter.ts',
    find: '    const meta: SnapshotMeta = {\n      index: machine.appliedIndex,\n      term: machine.appliedTerm,\n      membership: raft.membershipAt(machine.appliedIndex),\n    };\n    const { loggedBytes } = group;\n    group.loggedBytes = 0;\n    const snapshot = new StateSnapshot(machine, PENDING_MAX_BYTES);\n',
    put: '    const { loggedBytes } = group;\n    group.loggedBytes = 0;\n    const snapshot = new StateSnapshot(machine, PENDING_MAX_BYTES);\n    await new Promise((resolve) => this.timers.after(30, () => resolve(0)));\n    const meta: SnapshotMeta = {\n      index: machine.appliedIndex,\n      term: machine.appliedTerm,\n      membership: raft.membershipAt(machine.appliedIndex),\n    };\n',
    simulated: 'nodes',
  },
  {
    rule: '#22: a snapshot holds the rows of sessions',
    file: 'src/shard/state-snapshot.ts',
    find: 'this.sessions = [{ image: machine.sessions.image(), type: RecordType.SESSIONS }];',
    put: 'this.sessions = [];',
    simulated: 'nodes',
  },
  {
    rule: '#22: a snapshot holds the log time',
    file: 'src/shard/state-snapshot.ts',
    find: '    this.machine.timeMs = body.readDoubleLE(3);\n',
    put: '',
    tests: ['test/shard/state-hash.test.ts'],
    simulated: 'nodes',
  },
  {
    rule: '#22: a snapshot holds the parts of a large command',
    file: 'src/shard/state-snapshot.ts',
    find: 'machine.staged === null ? null : new StagedImage(machine.staged)',
    put: 'null',
    tests: ['test/shard/staging.test.ts'],
    simulated: 'nodes',
  },
  {
    rule: '#22: a snapshot holds keys as they were when it was begun',
    file: 'src/store/walk.ts',
    find: '    this.take(entry);\n    this.checkPending();',
    put: '    this.checkPending();',
    simulated: 'nodes',
  },

  // Exactly once
  {
    rule: '#26: a sequence that ran is not run again',
    file: 'src/shard/sessions.ts',
    find: 'return this.found === NONE ? RUN : REPEAT;',
    put: 'return RUN;',
    simulated: 'nodes',
  },
  {
    rule: '#26: a retry keeps its sequence',
    file: 'src/server/route.ts',
    find: '    const retried = request.mayHaveRun;\n',
    put: '    const retried = request.mayHaveRun;\n    if (retried && request.isWrite) request.bytes.writeDoubleLE(request.sequence + 2 ** 32, request.start + 8);\n',
    simulated: 'nodes',
  },
  {
    rule: '#27: what is sent another way is awaited no more where it was sent before',
    file: 'src/server/forwarding.ts',
    find: 'abandon: (of) => window.remove(of),',
    put: 'abandon: () => {},',
    more: [
      {
        file: 'src/server/forward-window.ts',
        find: 'if (request === null || request.correlation !== correlation) return null;',
        put: 'if (request === null) return null;',
      },
    ],
    tests: ['test/server/forwarding.test.ts'],
    simulated: 'nodes',
  },
  {
    rule: '#27: a reply names what it answers',
    file: 'src/server/forward-window.ts',
    find: '    const request = this.slots[at];\n    if (request === null || request.correlation !== correlation) return null;\n    this.slots[at] = null;',
    put: '    const request = this.slots[at] && this.slots.reduce((first, one) => (one !== null && (first === null || one.correlation < first.correlation) ? one : first), null);\n    if (request === null) return null;\n    this.slots[request.correlation & (this.slots.length - 1)] = null;',
    tests: ['test/server/forwarding.test.ts'],
    simulated: 'nodes',
  },

  // History 10
  {
    rule: 'history 10: a removal does nothing to another version of its key',
    file: 'src/store/keyspace.ts',
    find: 'if (entry === NONE || this.keys.entries.version(entry) !== version) return false;',
    put: 'if (entry === NONE || version < 0) return false;',
    simulated: 'nodes',
  },
  {
    rule: 'history 10: what is applied hangs on the entry alone: not on the clock of whoever applies it',
    file: 'src/shard/state-machine.ts',
    find: 'this.entryTimeMs = Math.floor(this.timeMs);',
    put: 'this.entryTimeMs = Math.floor(this.timeMs + (this.context.monotonicMs % 50));',
    simulated: 'nodes',
  },

  // History 12
  {
    rule: 'history 12: a node that was restarted has seen its ceiling',
    file: 'src/shard/replica-factory.ts',
    find: '    seenAtStartMs(recovery, settings),\n',
    put: '    0,\n',
    simulated: 'nodes',
  },
  {
    rule: 'history 12: the ceiling is synced before it counts',
    file: 'src/shard/engine.ts',
    find: '    this.wal.stageTimeCeiling(ceilingMs, () => {\n      this.syncedCeilingMs = ceilingMs;\n      this.releaseHeld();\n      done?.();\n    });\n',
    put: '    this.syncedCeilingMs = ceilingMs;\n    done?.();\n',
    tests: ['test/shard/engine.test.ts'],
    simulated: 'nodes',
  },

  // History 15
  {
    rule: 'history 15: a leader that has refused one command of a stream refuses all that follow',
    file: 'src/server/forwarding.ts',
    find: 'const isEnded = stream <= (this.endedStreams.get(shard) ?? 0);',
    put: 'const isEnded = stream < 0;',
    tests: ['test/server/forwarding.test.ts'],
    simulated: 'nodes',
  },
  {
    rule: 'history 15: while a write is retried its connection sends nothing more',
    file: 'src/server/connection.ts',
    find: 'this.holds > 0 || this.underWay',
    put: 'this.underWay',
    simulated: 'nodes',
  },
  {
    rule: 'history 15: a read waits for the writes before it on its connection',
    file: 'src/server/server.ts',
    find: '!command.isWrite && !connection.hasQueue && replica?.canReadNow',
    put: '!command.isWrite && replica?.canReadNow',
    more: [
      {
        file: 'src/server/router.ts',
        find: 'request.rides = rides && !command.isWrite;',
        put: 'request.rides = rides && request.slot < 0;',
      },
    ],
    simulated: 'nodes',
  },
  {
    rule: 'history 15: a read by ReadIndex is answered before what was proposed after it',
    file: 'src/shard/replica.ts',
    find: '        while (to < entries.length && entries[to].index <= lastIndex) to++;\n',
    put: '        if (lastIndex >= 0) to = entries.length;\n',
    more: [
      {
        file: 'src/server/server.ts',
        find: 'if (command.isWrite && connection.mustFollowReads(way.index, slot, scope)) {',
        put: 'if (command.isWrite && slot < 0 && connection.mustFollowReads(way.index, slot, scope)) {',
      },
    ],
    tests: ['test/shard/replica.test.ts'],
    simulated: 'nodes',
  },
  {
    rule: 'history 15: a write waits for the unanswered reads before it',
    file: 'src/server/server.ts',
    find: 'if (command.isWrite && connection.mustFollowReads(way.index, slot, scope)) {',
    put: 'if (command.isWrite && slot < 0 && connection.mustFollowReads(way.index, slot, scope)) {',
    simulated: 'nodes',
  },
  {
    rule: 'history 15: while reads wait for a ReadIndex none is answered under the lease',
    file: 'src/shard/replica.ts',
    find: 'return this.asked.size === 0 && this.holdsLease(now)',
    put: 'return this.holdsLease(now)',
    tests: ['test/shard/replica.test.ts'],
    simulated: 'nodes',
  },
  {
    rule: 'history 15: a retry whose reply was not kept is told so',
    file: 'src/shard/state-machine.ts',
    find: '      scratch.error(REPLY_LOST);\n',
    put: '      commandArgs(bytes, at, context.args);\n      this.commandOf(this.memo).row.run(context);\n',
    tests: ['test/shard/state-machine.test.ts'],
  },
  {
    rule: '§8: what is frozen is not read: the other group may own it already',
    file: 'src/shard/state-machine.ts',
    find: "if ((by === 'slot' || by === 'scan') && this.slotStates[slot] !== OWNED) return",
    put: "if ((by === 'slot' || by === 'scan') && this.slotStates[slot] !== OWNED && this.slotStates[slot] !== SlotState.FROZEN) return",
    simulated: 'nodes',
  },
  {
    rule: '§5: what was proposed is never told as refused before',
    file: 'src/shard/replica.ts',
    find: '  waiters.refuseAll(Refusal.LOST);',
    put: '  waiters.refuseAll(Refusal.NOT_PROPOSED);',
    tests: ['test/shard/replica.test.ts'],
    simulated: 'nodes',
  },
  {
    rule: 'a read behind writes joins an entry in flight only under the lease',
    file: 'src/shard/replica.ts',
    find: '&& this.batch.isEmpty && this.holdsLease(now);',
    put: '&& this.batch.isEmpty;',
    tests: ['test/shard/replica.test.ts'],
  },
  {
    rule: 'who sends no more is answered what it has asked before',
    file: 'src/server/connection.ts',
    find: '    this.hasEnded = true;\n    this.waiting?.check();\n    this.markDirty();\n',
    put: '    this.stream.end();\n',
    tests: ['test/sim/node/connection.test.ts'],
  },
  {
    rule: '§5: a jump of the wall clock is not obeyed',
    file: 'src/shard/log-time.ts',
    find: 'Math.max(-limitMs, Math.min(limitMs, now.wallMs - unslewedMs))',
    put: 'Math.max(-limitMs, now.wallMs - unslewedMs)',
    tests: ['test/shard/log-time.test.ts'],
  },
];
