/** Which build a node is of at each of its starts: this one or the next (test/versions). As long as the cluster version stays nobody may tell. */
import type { RulesTable } from '../../../../src/commands/rules.ts';
import { RULES } from '../../../../src/commands/table.ts';
import { SeededRandom } from '../../../../src/env/sim/random.ts';
import { NEXT, PROBED } from '../../../versions/next-rules.ts';
import type { RunPlan } from './plan.ts';

/** One run in so many has nodes of two builds. */
const MIXED_ONE_IN = 8;
/** Of these, those in which the cluster version is raised. */
const RAISED_SHARE = 0.6;
const RAISED_FROM_MS = 8000;
const RAISED_WITHIN_MS = 20_000;
const REFUSED =
  /^[^\n]+ is of cluster version (\d+), and this build runs up to cluster version (\d+): [^\n]+$/;

export class Builds {
  /** From when on all nodes are to run the next build; null: never in this run. */
  readonly raisedFromMs: number | null;
  readonly next: RulesTable;
  /** Whatever starts is of the next build. */
  isUpgrading = false;
  /** Of those whose version is to be raised: what is drawn for it changes nothing else. */
  readonly random: SeededRandom;
  private readonly isMixed: boolean;
  /** The highest cluster version that each node has synced. */
  private readonly known = new Map<number, number>();
  private readonly goingBack = new Set<number>();

  constructor(seed: number, { raisedFromMs }: RunPlan) {
    this.random = new SeededRandom(seed ^ 0x2a15ed);
    const isDrawn = seed % MIXED_ONE_IN === 0 && this.random.chance(RAISED_SHARE);
    const drawnMs = isDrawn ? RAISED_FROM_MS + this.random.below(RAISED_WITHIN_MS) : null;
    this.raisedFromMs = raisedFromMs ?? drawnMs;
    this.isMixed = seed % MIXED_ONE_IN === 0 || this.raisedFromMs !== null;
    this.next = this.raisedFromMs === null ? NEXT : PROBED;
  }

  /** Null: all are of this one. */
  choose(i: number, random: SeededRandom): RulesTable | null {
    if (!this.isMixed) return null;
    const drawn = random.chance(0.5) ? this.next : RULES;
    if (this.goingBack.delete(i) && this.isRaisedAt(i)) return RULES;
    return this.isUpgrading ? this.next : drawn;
  }

  /** The next start is of this build again: by somebody who does not know that it is too late for that. */
  goBack(i: number): void {
    this.goingBack.add(i);
  }

  stay(): void {
    this.goingBack.clear();
  }

  /** The node has synced a topology. True: it is the first that knows of a version which was raised. */
  syncs(i: number, version: number): boolean {
    const isFirst = version > RULES.newest && !this.isRaised;
    this.known.set(i, version);
    return isFirst;
  }

  /** Its disk is gone. */
  forget(i: number): void {
    this.known.delete(i);
    this.goingBack.delete(i);
  }

  get isRaised(): boolean {
    return [...this.known.values()].some((version) => version > RULES.newest);
  }

  isRaisedAt(i: number): boolean {
    return this.version(i) > RULES.newest;
  }

  /** It must not start: what its disk holds it would take for something else. */
  isTooOld(i: number, { newest }: RulesTable): boolean {
    return newest < this.version(i);
  }

  /** In one clear line. */
  isRefusal(i: number, { newest }: RulesTable, message: string): boolean {
    const named = REFUSED.exec(message);
    return named !== null && Number(named[1]) === this.version(i) && Number(named[2]) === newest;
  }

  private version(i: number): number {
    return this.known.get(i) ?? RULES.newest;
  }
}
