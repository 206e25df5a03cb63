/** What a node counts and measures, for INFO, MEMORY and LATENCY: a snapshot made when asked for. */

export interface CommandFigures {
  /** The row's name. */
  name: string;
  calls: number;
  totalUs: number;
  /** Refused before they ran: arity, authentication, the state of the connection. */
  rejected: number;
  /** Ran, and answered with an error. */
  failed: number;
  p50Us: number;
  p99Us: number;
  p999Us: number;
}

export interface ErrorFigures {
  /** The first word of the error: `ERR`, `WRONGTYPE`. */
  code: string;
  count: number;
}

export interface DatabaseFigures {
  db: number;
  keys: number;
  expires: number;
}

export interface ClientFigures {
  connected: number;
  /** Of them on the redirect port. */
  clusterConnections: number;
  maxClients: number;
  blocked: number;
  pubsub: number;
  largestQueryBytes: number;
  largestReplyBytes: number;
  /** All client buffers. */
  bufferBytes: number;
}

export interface MemoryFigures {
  /** What keys and values account for: what `maxmemory` limits. */
  usedBytes: number;
  peakBytes: number;
  /** Held for keys and values, free room in slabs included. */
  slabBytes: number;
  heapUsedBytes: number;
  heapTotalBytes: number;
  residentBytes: number;
  /** Entries of the logs held in memory. */
  logBytes: number;
  /** Of the container or machine. */
  systemBytes: number;
  /** This node's; 0: none. */
  maxmemoryBytes: number;
  maxmemoryPolicy: string;
}

export interface PersistenceFigures {
  durability: string;
  /** When the last snapshot was finished; the start of the node before that. */
  lastSnapshotUnixSeconds: number;
  snapshotUnderWay: boolean;
  logBytesOnDisk: number;
  walSyncs: number;
}

/** Since the start or the last CONFIG RESETSTAT; those named `…PerSecond` over the last second or so. */
export interface StatisticsFigures {
  connectionsReceived: number;
  connectionsRejected: number;
  commandsProcessed: number;
  commandsPerSecond: number;
  inputBytes: number;
  outputBytes: number;
  inputKilobytesPerSecond: number;
  outputKilobytesPerSecond: number;
  expiredKeys: number;
  evictedKeys: number;
  keyspaceHits: number;
  keyspaceMisses: number;
  errorReplies: number;
  readsProcessed: number;
  writesProcessed: number;
  /** Sent on to another node, and answered with MOVED. */
  forwarded: number;
  redirected: number;
}

export interface ReplicationFigures {
  /** Shards led here, and replicas held. */
  shardsLed: number;
  replicasHeld: number;
  /** A number that rises with the writes applied here: the sum of the applied log indexes. */
  offset: number;
}

export interface NodeFigures {
  startedWallMs: number;
  processId: number;
  clientPort: number;
  redirectPort: number;
  clients: ClientFigures;
  memory: MemoryFigures;
  persistence: PersistenceFigures;
  statistics: StatisticsFigures;
  replication: ReplicationFigures;
  cpu: { userUs: number; systemUs: number };
  /** Commands that were called or refused at least once. */
  commands: readonly CommandFigures[];
  errors: readonly ErrorFigures[];
  /** Databases with keys, by number: on the client port the cluster's as far as known here, on the redirect port what this node leads. */
  databases: readonly DatabaseFigures[];
}
