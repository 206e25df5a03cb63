/** A node's data directory with something of everything: three groups, one of which fell silent early, snapshots, several files of the log. */
import { cp } from 'node:fs/promises';
import type { Env } from '../../src/env/contracts.ts';
import { SeededRandom } from '../../src/env/sim/random.ts';
import { SystemMachine } from '../../src/env/machine.ts';
import { silentLog } from '../../src/log.ts';
import { NodeTopology } from '../../src/node-topology.ts';
import { sealEntry } from '../../src/raft/entry.ts';
import type { HardState } from '../../src/raft/types.ts';
import { loadSettings } from '../../src/settings/load.ts';
import type { Settings } from '../../src/settings/rows.ts';
import { Batch, sessionId } from '../../src/shard/batch.ts';
import { FIRST_POLICY } from '../../src/shard/prelude.ts';
import { StateMachine } from '../../src/shard/state-machine.ts';
import { StateSnapshot } from '../../src/shard/state-snapshot.ts';
import { createKeyspace } from '../../src/store/keyspace.ts';
import { createSlabPool } from '../../src/store/slab-pool.ts';
import type { AcceptorFile } from '../../src/topology/acceptor-file.ts';
import type { ClusterFile } from '../../src/topology/cluster-file.ts';
import { FIRST_VERSION } from '../../src/topology/cluster-version.ts';
import { firstTopology } from '../../src/topology/first-topology.ts';
import type { FoundingState } from '../../src/topology/founding.ts';
import type { StoredRegister } from '../../src/topology/register.ts';
import { openWal, type OpenedWal } from '../../src/wal/open.ts';
import { Answer, SHARD_RULES } from '../shard/fake-raft.ts';
import { itemOf } from '../shard/encode.ts';

export const SEGMENT_BYTES = 8 * 1024;
const TURNS = 110;
const START_MS = 1_700_000_000_000;
const SILENT_AFTER = 20;
const SNAPSHOT_EVERY = 25;
const SETTLE_MS = 60;

export function settingsOf(directory: string): Settings {
  const settings = loadSettings({
    flags: { data: directory, 'client-port': '34900', durability: 'fsync' },
    environment: {},
    machine: new SystemMachine(),
  });
  return { ...settings, walSegmentBytes: SEGMENT_BYTES };
}

export interface NodeData {
  file: ClusterFile;
  register: StoredRegister;
  acceptor: AcceptorFile;
  opened: OpenedWal;
}

/** In the order in which a node does it. */
export async function openDirectory(env: Env, directory: string): Promise<NodeData> {
  const settings = settingsOf(directory);
  const topology = await NodeTopology.open(env, settings, silentLog);
  const opened = await openWal(env, {
    directory: `${directory}/log`,
    durability: settings.durability,
    mustExist: topology.hasBegun,
    isOurs: (group, member) => topology.isOwnRecord(group, member),
    segmentBytes: SEGMENT_BYTES,
    promiseMs: settings.electionTimeoutMs,
    onFailure: (error) => {
      throw error;
    },
  });
  const { register, acceptor } = topology;
  return { file: await topology.begin(), register, acceptor, opened };
}

interface Group {
  group: number;
  machine: StateMachine;
  term: number;
  index: number;
  sequence: number;
  /** Durable up to here. */
  stable: number;
}

/** `stop`: in good order, or as by kill -9, with a last batch that no mark covers. */
export async function makeDirectory(
  env: Env,
  directory: string,
  stop: 'clean' | 'kill',
  seed: number,
): Promise<void> {
  const random = new SeededRandom(seed);
  const at = stop === 'clean' ? directory : `${directory}-alive`;
  const first = await openDirectory(env, at);
  await found(first);
  await first.opened.wal.close(START_MS);
  const { opened } = await openDirectory(env, at);
  const groups = [1, 2, 3].map((group): Group => {
    return { group, machine: machineOf(), term: 1, index: 0, sequence: 0, stable: 0 };
  });
  let timeMs = START_MS;
  for (let turn = 0; turn < TURNS; turn++) {
    const count = turn < SILENT_AFTER ? 3 : 2;
    const busy = 1 + random.below(count);
    timeMs += random.below(50);
    for (let i = 0; i < busy; i++) write(opened, random, groups[random.below(count)], timeMs);
    if (random.below(9) === 0) opened.wal.stageTimeCeiling(timeMs + 2000);
    await new Promise<void>((resolve) => {
      opened.wal.flush(resolve);
    });
    for (const group of groups) group.stable = group.index;
    if (turn % SNAPSHOT_EVERY === SNAPSHOT_EVERY - 1) await snapshot(opened, groups[random.below(2)]);
    // Of every second directory the silent group keeps the oldest file.
    if (turn === SILENT_AFTER + 1 && seed % 2 === 0) await snapshot(opened, groups[2]);
  }
  // Spare files are made in the background.
  await new Promise<void>((resolve) => {
    env.timers.after(SETTLE_MS, resolve);
  });
  if (stop === 'kill')
    await cp(at, directory, { recursive: true, filter: (path) => !path.includes('/lock.') });
  await opened.wal.close(timeMs);
}

async function found({ file, register, acceptor }: NodeData): Promise<void> {
  const nodes = [1, 2, 3].map((ordinal) => ({
    id: ordinal === 1 ? file.node : String(ordinal).repeat(40),
    ordinal,
    host: '127.0.0.1',
    clientPort: 34_900 + ordinal,
    redirectPort: 35_900 + ordinal,
    peerPort: 44_900 + ordinal,
    adminPort: 36_900 + ordinal,
    zone: '',
    machine: 'box',
    weight: 100,
  }));
  const cluster = { id: 'c'.repeat(40), nodes };
  const state: FoundingState = { phase: 'founded', node: file.node, cluster };
  await file.save(state);
  await register.offer(
    firstTopology(cluster, 3, {
      slots: () => [{ from: 0, to: 16_383, shard: 1 }],
      replicas: (shards) => {
        const ids = shards.map(({ shard }) => shard);
        return new Map(ids.map((id) => [id, [id, ...ids.filter((other) => other !== id)]]));
      },
    }),
  );
  await acceptor.save(file.node, null);
  await file.topologyStored();
}

/** As a node makes it. */
function machineOf(): StateMachine {
  const limits = { ...FIRST_POLICY.limits };
  const keyspace = createKeyspace({ slabs: createSlabPool(), limits });
  return new StateMachine(keyspace, SHARD_RULES, FIRST_POLICY, limits, () => 16_383);
}

function write({ wal }: NodeData['opened'], random: SeededRandom, group: Group, timeMs: number): void {
  const batch = new Batch();
  const session = sessionId('a'.repeat(40), 1 + Math.floor(group.sequence / 100));
  const commands = 1 + random.below(4);
  for (let i = 0; i < commands; i++) {
    group.sequence += 1;
    const long = random.below(25) === 0 ? 4000 : 60;
    const value = String.fromCharCode(97 + random.below(26)).repeat(random.below(long));
    const words =
      random.below(3) === 0
        ? ['hset', `hash${random.below(3)}`, `field${random.below(90)}`, value]
        : ['set', `key${random.below(60)}`, value, 'px', String(1 + random.below(90_000))];
    const { bytes, start, end } = itemOf(words, group.sequence, Math.max(1, group.sequence - 20));
    batch.addCommand(new Answer(), session, bytes, start, end);
  }
  const isNewTerm = random.below(60) === 0;
  if (isNewTerm || group.index === 0 || random.below(6) === 0) {
    if (isNewTerm) group.term += 1;
    const hardState: HardState = { term: group.term, vote: 1 + random.below(3), commit: group.stable };
    wal.stageHardState(group.group, hardState);
  }
  group.index += 1;
  const { entry } = batch.seal(FIRST_VERSION, random.uint32(), timeMs);
  const sealed = sealEntry(entry, group.term, group.index);
  group.machine.apply(sealed, null);
  wal.stageEntries(group.group, [sealed]);
}

async function snapshot({ wal, snapshots }: NodeData['opened'], group: Group): Promise<void> {
  const { machine } = group;
  const meta = {
    index: group.index,
    term: machine.appliedTerm,
    membership: { voters: [1, 2, 3], votersOld: [], learners: [] },
  };
  const writer = await snapshots.create(group.group, meta);
  const state = new StateSnapshot(machine);
  for (let slice = state.next(8192); slice !== null; slice = state.next(8192)) await writer.append(slice);
  await writer.commit();
  wal.release(group.group, group.index);
}
