/** What this node has promised and accepted as a voter of the register: synced in every mode of durability before it says so. */
import { z } from 'zod';

import type { Disk } from '../env/contracts.ts';
import { HOW_TO_REBUILD, StartupError } from '../errors.ts';
import type { AcceptorState } from '../paxos/types.ts';
import { DamagedError } from '../wal/errors.ts';
import { sealJson, unsealJson } from './sealed-json.ts';
import { ballotSchema } from './paxos-codec.ts';
import { instanceSchema, topologySchema } from './topology-codec.ts';
import type { NodeId, Topology } from './types.ts';

const FILE_NAME = 'acceptor.json';
const FORMAT = 1;

const vote = z
  .object({
    instance: instanceSchema,
    promised: ballotSchema,
    accepted: z.object({ ballot: ballotSchema, value: topologySchema }).nullable(),
  })
  .nullable();
const generation = z.number().int().min(0);

const fileSchema = z.object({
  format: z.literal(FORMAT),
  node: z.string(),
  /** Null: it has not voted yet. */
  state: z.object({ vote, recovery: vote, boundTo: generation, barred: generation }).nullable(),
});

type AcceptorDisk = Pick<Disk, 'readFile' | 'replaceFile'>;

export class AcceptorFile {
  state: AcceptorState<Topology> | null;
  /** There was none in the directory. */
  isMissing: boolean;
  private readonly disk: AcceptorDisk;
  private readonly path: string;

  private constructor(
    disk: AcceptorDisk,
    path: string,
    state: AcceptorState<Topology> | null,
    isMissing: boolean,
  ) {
    this.disk = disk;
    this.path = path;
    this.state = state;
    this.isMissing = isMissing;
  }

  /** Throws StartupError when there is one and it cannot be read: what was promised must not be forgotten. */
  static async open(disk: AcceptorDisk, directory: string, self: NodeId | null): Promise<AcceptorFile> {
    const path = acceptorPath(directory);
    const bytes = await disk.readFile(path);
    if (bytes === null) return new AcceptorFile(disk, path, null, true);
    const content = unsealJson(path, bytes);
    if (content === undefined) throw new DamagedError(path, 0, 'it does not begin as a file of promises');
    const parsed = fileSchema.safeParse(content);
    if (!parsed.success)
      throw new StartupError(
        'TORC_TOPOLOGY_FILE',
        `${path} cannot be read by this version, from offset 0 on: bring back a whole one, or ${HOW_TO_REBUILD}`,
      );
    // Another node's promises, as after a repair, bind this one to nothing.
    const { node, state } = parsed.data;
    return new AcceptorFile(disk, path, node === self ? state : null, false);
  }

  async save(node: NodeId, state: AcceptorState<Topology> | null): Promise<void> {
    await this.disk.replaceFile(this.path, sealJson({ format: FORMAT, node, state }));
    this.state = state;
    this.isMissing = false;
  }
}

export function acceptorPath(directory: string): string {
  return `${directory}/${FILE_NAME}`;
}
