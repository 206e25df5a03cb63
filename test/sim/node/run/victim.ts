import type { RulesTable } from '../../../../src/commands/rules.ts';
import { RULES } from '../../../../src/commands/table.ts';
import type { Crash } from '../../../../src/env/sim/disk.ts';
import type { NodeParts } from '../../../../src/observe/parts.ts';
import { nameOf } from '../cluster.ts';
import type { Place } from './damage.ts';

interface CrashOrder {
  as: Crash;
  fault: 'kill at a disk operation' | 'power loss at a disk operation';
  restartAfterMs: number;
}

type Life = 'down' | 'starting' | 'up' | 'stopping';

/** A node as those who strike it see it. */
export class Victim {
  readonly i: number;
  readonly name: string;
  life: Life = 'down';
  isPaused = false;
  /** A fault of its disk is under way: it may end itself, or refuse to start. */
  hasSickDisk = false;
  /** Its disk was damaged on purpose. */
  damage: { path: string; offset: number; bit: number; piece: Place } | null = null;
  hasServed = false;
  /** As which it served last. */
  node = '';
  /** In `buffered`: what it acknowledged may be gone, so that it may, or must, refuse to start. */
  mayBeUnclean = false;
  mustBeUnclean = false;
  /** It has refused its disk: it stays down, unless that is mended. */
  isHeldDown = false;
  isRebuilding = false;
  /** Not one of those that must go on without it. */
  isExcluded = false;
  parts: NodeParts | null = null;
  /** Of its build. */
  rules: RulesTable = RULES;
  unpause: () => void = () => {};
  /** It is to crash in the midst of an operation of its disk. */
  crashOrder: CrashOrder | null = null;

  constructor(i: number) {
    this.i = i;
    this.name = nameOf(i);
  }

  get isReady(): boolean {
    return this.life === 'up' && !this.isPaused && this.parts !== null;
  }
}
