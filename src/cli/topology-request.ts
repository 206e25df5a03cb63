/** Requests over the admin port that change the topology: each is for one node, in its present start, and is taken once. */
import type { StatusReport } from '../admin/status.ts';
import type { Random } from '../env/contracts.ts';
import { StartupError } from '../errors.ts';
import type { RequestId } from '../topology/change.ts';
import { drawId } from '../topology/cluster-file.ts';

export function requestTo({ node: { id, start, name } }: StatusReport, random: Random): RequestId {
  if (id === null) throw new StartupError('TORC_NOT_FOUNDED', `node ${name} is starting, and has no id yet`);
  return { id: drawId(random), node: id, start };
}
