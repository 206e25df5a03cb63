/** How many rounds were judged at all: a run in which nobody could be judged has shown nothing, though nothing was wrong. */

/** Of all rounds. */
const UNJUDGED_MOST_SHARE = 0.5;

export class Tally {
  private judged = 0;
  /** Of the others, by what was in the way. */
  private readonly reasons = new Map<string, number>();

  /** `reason`: why a round says nothing; null: it was judged. */
  note(reason: string | null): void {
    if (reason === null) this.judged += 1;
    else this.reasons.set(reason, (this.reasons.get(reason) ?? 0) + 1);
  }

  private get unjudged(): number {
    return [...this.reasons.values()].reduce((sum, count) => sum + count, 0);
  }

  line(): string {
    const told = [...this.reasons].map(([reason, count]) => `, ${count} not: ${reason}`);
    return `rounds: ${this.judged + this.unjudged}, judged ${this.judged}${told.join('')}`;
  }

  /** Null: enough of them were judged for a verdict. */
  problem(): string | null {
    const { judged, unjudged } = this;
    if (judged > 0 && unjudged <= UNJUDGED_MOST_SHARE * (judged + unjudged)) return null;
    return `only ${judged} of ${judged + unjudged} rounds were judged: too few for a verdict`;
  }
}
