/**
 * What a node's directory has been through, as it tells when it meets others, and what those have seen of it: so a node that was started from an old
 * copy of its directory is told from itself. Such a copy has forgotten what the node voted for and acknowledged since. Pure.
 */
export interface Past {
  /** Counts the starts of the directory. */
  readonly start: number;
  /** Of this very process: when it began, by its wall clock. */
  readonly life: number;
  /** The start in which its log began. */
  readonly logBorn: number;
  /** Where its log ended when the process began. */
  readonly logEnd: number;
}

/** Of a node, the latest process that was met, and how far its log was synced as it said last. */
export class PastSeen {
  private latest: Past | null = null;
  private syncedEnd = 0;

  /** Why this cannot be the node that was met before, or not it alone; null: it can. */
  problemOf(past: Past): string | null {
    const { latest } = this;
    if (latest === null) return null;
    if (past.start < latest.start)
      return `it is at start ${past.start} of its directory, and start ${latest.start} was met: another process runs from a copy of it, or this one is the copy`;
    if (past.start === latest.start)
      return past.life === latest.life
        ? null
        : `start ${past.start} of its directory was met in another process: one of the two runs from a copy of it`;
    // A log that has begun anew since, as after a replacement, was seen to lose what it held.
    if (past.logBorn > latest.start || past.logEnd >= this.syncedEnd) return null;
    return `its log ends at ${past.logEnd}, and had been synced up to ${this.syncedEnd}: its directory is an old copy`;
  }

  /** It was met, and there is no problem. */
  met(past: Past): void {
    if (past.start !== this.latest?.start) this.syncedEnd = past.logEnd;
    this.latest = past;
  }

  /** As the process that was met last says. */
  heard(syncedEnd: number): void {
    this.syncedEnd = Math.max(this.syncedEnd, syncedEnd);
  }
}
