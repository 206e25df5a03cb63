/**
 * The cluster version that this node goes by: what the register says. An operator raises it when all nodes run it. It says what new entries are
 * applied by, which commands are offered, and who may still be spoken with.
 */
import { NewerVersionError } from '../errors.ts';
import { entryRules } from '../raft/entry.ts';
import type { WalRecovery } from '../wal/types.ts';
import type { NodeEntry, NodeId } from './types.ts';

/** Of the first release. */
export const FIRST_VERSION = 1;

/** What a build runs. */
export interface VersionRange {
  readonly newest: number;
  /** The oldest version of a node that it speaks with. */
  readonly oldestPeer: number;
}

export class ClusterVersion {
  current = FIRST_VERSION;
  private readonly build: VersionRange;
  private readonly decided: () => number;

  /** `decided`: what the register says; it never falls. */
  constructor(build: VersionRange, decided: () => number) {
    this.build = build;
    this.decided = decided;
  }

  /** True when it was raised. Throws NewerVersionError when this build does not run it. */
  follow(): boolean {
    const version = this.decided();
    if (version <= this.current) return false;
    if (version > this.build.newest) throw new NewerVersionError('the topology', version, this.build.newest);
    this.current = version;
    return true;
  }

  /** Those that this node speaks with others: what was left behind is not spoken any more. */
  get spoken(): { versionMin: number; versionMax: number } {
    const { oldestPeer, newest } = this.build;
    return { versionMin: Math.max(oldestPeer, this.current), versionMax: newest };
  }

  /** An older build would take what the log says for something else. `directory`: where the log lies. Throws NewerVersionError. */
  checkLog({ groups }: WalRecovery, directory: string): void {
    for (const { entries } of groups.values()) {
      // Versions never fall along a log.
      const last = entries.at(-1);
      const version = last === undefined ? FIRST_VERSION : entryRules(last);
      if (version > this.build.newest)
        throw new NewerVersionError(`the log in ${directory}`, version, this.build.newest);
    }
  }
}

/** Why the cluster version cannot be raised to this now; null when it can. `newestOf`: what a node runs; null when it is not reached. */
export function raiseProblem(
  version: number,
  nodes: readonly NodeEntry[],
  newestOf: (node: NodeId) => number | null,
): string | null {
  const problems = nodes.flatMap(({ id, host, clientPort }) => {
    const newest = newestOf(id);
    const where = `${host}:${clientPort}`;
    if (newest === null) return [`the node at ${where} is not reached`];
    return newest < version ? [`the node at ${where} runs up to cluster version ${newest}`] : [];
  });
  return problems.length === 0
    ? null
    : `cluster version ${version} is not run by all nodes: ${problems.join('; ')}`;
}
