import { describe, expect, it } from 'vitest';

import { emptyTable, planSlots } from '../../ring/index.ts';
import { planMoves } from '../../src/topology/planner.ts';
import { decodeTopology, encodeTopology } from '../../src/topology/topology-codec.ts';
import { SLOT_COUNT, type Topology } from '../../src/topology/types.ts';
import { after, cluster, nodeId, preferences } from './clusters.ts';
import { oneNode } from './one-node.ts';

const LIMIT_BYTES = 256 * 1024;
const SHARDS = 1000;

/** Three replicas a shard, as it is after its founding. */
function thousand(): Topology {
  const ids = Array.from({ length: SHARDS }, (_, at) => at + 1);
  const shards = ids.map((id) => ({ id, weight: 1 }));
  const { table } = planSlots(emptyTable(), shards, preferences(ids));
  return cluster(
    ids.map(() => 1),
    table,
    3,
  );
}

describe('a topology of 1,000 shards', () => {
  it('takes less than 256 KiB, with a plan under way, and is read as it was', () => {
    const founded = thousand();
    const grown = after(founded, {
      kind: 'set-weight',
      node: founded.nodes[0].id,
      weight: 100,
    });
    const steps = planMoves({ topology: grown, preferences, by: 'slots', loads: null }).moves;
    const planned = after(
      grown,
      { kind: 'begin-plan', by: 'slots', isAutomatic: true, atMs: 1, steps },
      { kind: 'begin-planned-move', plan: 2 ** 32 + 3, left: steps.length },
    );
    const bytes = encodeTopology(planned);
    expect(bytes.length).toBeLessThan(LIMIT_BYTES);
    expect(decodeTopology(bytes)).toEqual(planned);
  });

  it('does so with 8 ranges of slots a shard, too', () => {
    const table = Int32Array.from({ length: SLOT_COUNT }, (_, slot) => 1 + ((slot >> 1) % SHARDS));
    const ids = Array.from({ length: SHARDS }, () => 1);
    expect(encodeTopology(cluster(ids, table, 3)).length).toBeLessThan(LIMIT_BYTES);
  });
});

describe('the compact form', () => {
  it('keeps replicas of nodes that have left, and what leaves', () => {
    const one = oneNode(1, 1);
    const [shard] = one.shards;
    const replicas = [
      { member: 1, node: nodeId(77), leaving: true },
      { member: 2, node: one.nodes[0].id },
    ];
    const left: Topology = { ...one, shards: [{ ...shard, home: nodeId(78), replicas }] };
    expect(decodeTopology(encodeTopology(left))).toEqual(left);
    const paused = after(left, { kind: 'pause-rebalance' });
    expect(decodeTopology(encodeTopology(paused))).toEqual(paused);
  });

  it.each(['{}', 'null', '7', '{"format":1}', '{"format":1,"nodes":{"fields":["id"],"rows":[3]}}'])(
    'of something else is none: %s',
    (text) => {
      expect(decodeTopology(Buffer.from(text))).toBeNull();
    },
  );
});
