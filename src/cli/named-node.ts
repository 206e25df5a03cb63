/** The node that a person means. */
import { StartupError } from '../errors.ts';
import type { StatusReport } from '../admin/status.ts';
import { formatAddress } from '../settings/kinds.ts';
import { LEAST_PREFIX } from '../topology/join-desk.ts';
import type { NodeEntry, NodeId, Topology } from '../topology/types.ts';

/** By its name, its ordinal, the address of its client port, or the beginning of its id. Throws StartupError. */
export function namedNode(
  name: string,
  { nodes }: Topology,
  reports: ReadonlyMap<NodeId, StatusReport>,
): NodeEntry {
  const found = nodes.filter(
    ({ id, ordinal, host, clientPort }) =>
      namesOf(id, reports).includes(name) ||
      String(ordinal) === name ||
      formatAddress({ host, port: clientPort }) === name ||
      (name.length >= LEAST_PREFIX && id.startsWith(name)),
  );
  if (found.length === 1) return found[0];
  throw new StartupError(
    'TORC_NO_SUCH_NODE',
    found.length === 0
      ? `no node is called ${name}: torc node list shows their names, and one that was never heard is called by its id or address`
      : `${name} is more than one node: ${found.map(({ id, host, clientPort: port }) => `${formatAddress({ host, port })} (${id.slice(0, 12)})`).join(', ')}. Call it by its address or the beginning of its id`,
  );
}

/** As it says itself, or, of one that does not answer, as others have heard it. */
function namesOf(node: NodeId, reports: ReadonlyMap<NodeId, StatusReport>): string[] {
  const own = reports.get(node)?.node.name;
  if (own !== undefined) return [own];
  return [...reports.values()].flatMap(({ members }) =>
    members.filter(({ id }) => id === node).map(({ name }) => name),
  );
}
