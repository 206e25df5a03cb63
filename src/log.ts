/**
 * Every event that a node logs, one line each, and what its fields say. The name is stable, in kebab case, for alerts to look for; all that
 * varies is in the fields. The README's table comes from here. Secrets are never fields.
 */
export const LOG_EVENTS = {
  starting: 'The process has begun: version, processId, data.',
  'variables-unknown': 'Variables that begin with TORC_ and are no setting, so that they do nothing: names.',
  settings: 'All settings in force, without the secrets (debug).',
  recovered:
    'The log was read: start counts the starts of this data; tornBytes were written and never synced, and are cut.',
  'founding-waits': 'The cluster is not founded yet: why says for whom this node waits.',
  'founding-disagrees': 'A node has seeds or data that do not fit those of this one: reason.',
  'cluster-joined': 'A cluster that was there has taken this node in: cluster, nodes.',
  'cluster-founded': 'The cluster was founded now: cluster, nodes.',
  serving: 'This node takes part in its cluster: nodeId, cluster, shards, start.',
  ready: 'This node should be given traffic.',
  'not-ready': 'This node should be given none: reason.',
  'cluster-version-raised': 'An operator has raised it, and this node goes by it from now on: version.',
  'settings-changed': 'By CONFIG SET: settings names them, secrets are not shown.',
  stopping: 'A stop in good order has begun: signal.',
  stopped: 'It has ended.',
  failed: 'The node cannot go on: error. The process ends.',

  'election-started': 'This node stands for leader: shard, term.',
  'leader-changed':
    'As this node sees it: shard, leader, address, term, and for how long it knew of none before: leaderlessMs.',
  'leader-missing': 'A shard has had no leader for as long as commands wait for one: shard, term.',
  'clock-differs':
    'The wall clock here is more than five seconds off the time of a shard led here, which does not jump with it: shard, offsetMs.',
  'topology-decided': 'This node decided a new topology: epoch, change.',
  'topology-changed': 'A newer topology is synced here, and acted on: epoch.',
  'replica-created': 'The topology gives this node a new member of a shard: shard, member. It learns first.',
  'replica-removed': 'The topology names a member of this node no more: shard, member. Its data is gone.',
  'members-changing': 'This leader changes the members of its shard, one step: shard, voters, learners.',
  'register-corrected':
    'The log of a shard led here says otherwise of slots than the topology after its recovery, and the log is right: shard, change, epoch.',
  'replica-kept':
    'A shard was given up, to be rewound: this node has sealed its member and keeps what it holds. shard, member, index, term, keys.',
  'kept-removed': 'What was kept of it is not needed any more: its files are removed. shard.',
  'shard-rewound':
    'A shard begins here with what a sealed member of a lost one held: shard, index, term, keys.',
  'succession-waits':
    'A shard was given up, and these nodes, which may act there still or hold what it goes on with, are waited for: they are started, or given up as well. shard, nodes.',
  'node-lost':
    'A node was silent for replace-after: its replicas are made anew on others. peer, address, silentMs.',
  'replacement-waits':
    'A replica of a lost node is not made anew, since the node that it should go to has too little room: shard, peer, neededBytes, roomBytes.',
  'quorum-endangered':
    'These shards lose their quorum with one machine: there are too few. Told once, by one node: shards.',
  'quorum-safe': 'They can do without any one machine by now, or are no more: shards.',
  'rebalance-begun':
    'The register has a plan of moves: plan, by (slots, bytes or ops), slots that are to move, automatic or asked for.',
  'rebalance-ended':
    'It has ended: plan, outcome (done, partly, superseded or aborted), moved (slots), durationMs.',
  replaced:
    'This node was away for so long that others have its replicas now: reason. It starts anew, with nothing.',
  'replaced-set-aside': 'What it held is kept until it has caught up: directory.',
  'set-aside-removed': 'The files that had been set aside were removed: this node has caught up. directory.',
  'set-aside-not-removed': 'They should have been, and could not: directory, reason. They do no harm.',

  'move-begun':
    'This leader of the source has begun to send slots, or goes on with it: move, source, target, slots left.',
  'move-ended':
    'All slots of a move have the target for their owner: move, source, target, slots, sentBytes, durationMs.',
  'move-aborted':
    'It has ended, and not all of its slots went: move, source, target, slots that did, sentBytes, durationMs; asked: an operator wanted it.',
  'move-stuck':
    'A move has not come on for a while: move, source, target, phase, reason, sinceMs. Told again each minute.',

  'snapshot-made': 'Of a shard that is replicated here: shard, index, sizeBytes, durationMs.',
  'snapshot-given-up':
    'More was written meanwhile than may wait for it: shard, index, reason, limitBytes, retryAfterMs.',
  'snapshot-sent':
    'A follower that was too far behind for the log was brought up: shard, member, index, sizeBytes.',
  'snapshot-installed': 'This replica was: shard, index, sizeBytes.',
  'log-compacted': 'Files of the log that snapshots had made needless were let go: segments, diskBytes left.',

  'peer-connected': 'peer, address.',
  'peer-disconnected': 'peer, address, and the reason where this node cut the connection.',
  'peer-unreachable':
    'Dialing a node, or a seed of one that is of no cluster yet, fails again and again: peer, address, reason. Told once until it is reached.',
  'peer-refused':
    'This node refused another, or was refused (by says by whom): address, reason. Told again after ten minutes.',
  'peer-not-ready': 'Another node should be given no traffic now: peer, address, connected.',
  'peer-ready': 'It should be given traffic again: peer, address.',

  'node-suspected':
    'By the gossip a node may be dead: peer, address, by: the node that found so, which may be this one.',
  'node-dead':
    'It has not refuted that in time: peer, address, by. Advice only: no data is moved or given up for it.',
  'node-alive': 'It has refuted that, or is back: peer, address, by.',
  'node-left': 'A node stops in good order: peer, address, by.',
  'suspicion-refuted':
    'Others suspected this node, and it told them that it lives: incarnation. It was slow, or its connections were cut.',

  'maxclients-lowered':
    'The system lets this process open fewer files than maxclients takes: from, to, openFilesMost.',
  'clients-refused': 'More connections than maxclients: count of those refused, told once a minute.',
  'client-too-slow': 'A client did not read its replies and was cut: client, bufferedBytes.',
  'web-request-refused': 'A browser or another HTTP client spoke to a client port and was cut: client.',
} as const;

export type LogEvent = keyof typeof LOG_EVENTS;
export type LogFields = Readonly<Record<string, unknown>>;

export interface Log {
  debug(event: LogEvent, fields?: LogFields): void;
  info(event: LogEvent, fields?: LogFields): void;
  warn(event: LogEvent, fields?: LogFields): void;
  error(event: LogEvent, fields?: LogFields): void;
}

const nothing = (): void => {};

/** Says nothing: for simulations and tests. */
export const silentLog: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing };
