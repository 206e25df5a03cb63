/** What Torc is to reach beside its peers, on two cores: checked where both were measured. */
import type { Scenario } from './load.ts';

export interface Goal {
  torc: string;
  peer: string;
  scenario: Scenario;
  measure: 'opsPerSecond' | 'p50Ms';
  /** Torc's figure over the peer's. */
  atLeast?: number;
  atMost?: number;
}

function native(workload: Scenario['workload'], connections: number, pipeline = 1): Scenario {
  return { workload, connections, pipeline, generator: 'native' };
}

function rate(torc: string, peer: string, scenario: Scenario, atLeast: number): Goal {
  return { torc, peer, scenario, measure: 'opsPerSecond', atLeast };
}

const REPLICATED = 'redis + WAIT 1';
const DURABLE = 'redis always + WAIT 1';

export const GOALS: readonly Goal[] = [
  rate('torc buffered', REPLICATED, native('set', 50), 0.8),
  rate('torc buffered', REPLICATED, native('set', 200), 1.0),
  rate('torc fsync', DURABLE, native('set', 50), 1.3),
  rate('torc fsync', DURABLE, native('set', 200), 1.3),
  rate('torc fsync', 'etcd', native('set', 50), 10),
  rate('torc fsync', 'etcd', native('set', 200), 10),
  rate('torc buffered', 'redis', native('get', 50), 0.5),
  rate('torc buffered', 'redis', native('get', 50, 16), 0.6),
  rate('torc buffered, one port', 'redis', native('get', 50), 0.4),
  rate('torc buffered, one port', REPLICATED, native('set', 50), 0.4),
  rate('torc fsync, one port', DURABLE, native('set', 50), 0.4),
  {
    torc: 'torc buffered, one port',
    peer: 'torc buffered',
    scenario: native('get', 1),
    measure: 'p50Ms',
    atMost: 2.5,
  },
  { torc: 'torc buffered', peer: REPLICATED, scenario: native('set', 1), measure: 'p50Ms', atMost: 2 },
];
