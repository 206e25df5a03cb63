/** Histories made by a register that is linearizable by construction, for the checker to be tested on. */
import type { Operation } from './history.ts';
import { registerModel } from './model.ts';

export interface WorkloadOptions {
  seed: number;
  operations: number;
  clients: number;
  /** Values are drawn from so few that many orders look alike, which is what makes checking hard. */
  values: number;
  /** Of 100 operations, how many have an unknown outcome; every other one of these took effect. */
  unknownPercent: number;
}

/** Each client runs one operation after the other; each takes effect at a random time between its call and its return. */
export function linearizableHistory(options: WorkloadOptions): Operation[] {
  const random = xorshift32(options.seed);
  const calls = drawCalls(options, random);
  const history: Operation[] = [];
  let state: string | null = null;
  for (const { client, command, args, callMs, effectMs, returnMs } of calls) {
    const call = { client, key: 'k', command, args, callMs };
    const isUnknown = random() * 100 < options.unknownPercent;
    if (isUnknown && random() < 0.5) {
      history.push({ ...call, outcome: { kind: 'unknown' } });
      continue;
    }
    const applied = registerModel.apply(state, command, args);
    state = applied.state;
    if (effectMs > returnMs) throw new Error('takes effect after its return');
    history.push({
      ...call,
      outcome: isUnknown ? { kind: 'unknown' } : { kind: 'answered', returnMs, reply: applied.reply },
    });
  }
  return history.sort((a, b) => a.callMs - b.callMs);
}

interface Call {
  client: number;
  command: string;
  args: string[];
  callMs: number;
  effectMs: number;
  returnMs: number;
}

/** In the order in which they take effect. */
function drawCalls({ operations, clients, values }: WorkloadOptions, random: () => number): Call[] {
  const calls: Call[] = [];
  const freeAtMs = Array.from({ length: clients }, () => random());
  for (let i = 0; i < operations; i++) {
    const client = freeAtMs.indexOf(Math.min(...freeAtMs));
    const callMs = freeAtMs[client];
    const effectMs = callMs + 0.1 + random() * 5;
    const returnMs = effectMs + 0.1 + random() * 5;
    freeAtMs[client] = returnMs + 0.01 + random();
    calls.push({ client, ...drawCommand(values, random), callMs, effectMs, returnMs });
  }
  return calls.sort((a, b) => a.effectMs - b.effectMs);
}

function drawCommand(values: number, random: () => number): { command: string; args: string[] } {
  const value = String(Math.floor(random() * values));
  const dice = random();
  if (dice < 0.4) return { command: 'GET', args: [] };
  if (dice < 0.65) return { command: 'SET', args: [value] };
  if (dice < 0.8) return { command: 'INCR', args: [] };
  if (dice < 0.87) return { command: 'GETSET', args: [value] };
  if (dice < 0.94) return { command: 'SETNX', args: [value] };
  return { command: 'DEL', args: [] };
}

function xorshift32(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
