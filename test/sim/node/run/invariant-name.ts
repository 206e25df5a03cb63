/** What a run can be found wrong by. These names stay: the message of each failure begins with one, and docs/mutants.md goes by them. */
export type InvariantName =
  // Of one group (group-law.ts)
  | 'one-leader-per-term'
  | 'votes-durable'
  | 'leader-completeness'
  | 'logs-match'
  | 'committed-prefix'
  | 'applied-in-order'
  | 'terms-bounded'
  | 'durable-quorum'
  | 'durable-after-restart'
  | 'one-lease'
  | 'lease-in-force'
  | 'reads-current'
  | 'reads-behind-stamps'
  | 'reads-in-order'
  | 'streams-in-order'
  | 'ceiling-synced'
  | 'own-messages'
  | 'state-hash'
  // Of what only rises
  | 'term-and-commit-rise'
  | 'log-time-rises'
  | 'epochs-rise'
  // Of the cluster
  | 'one-map-per-epoch'
  | 'slots-owned-once'
  | 'register-promises'
  | 'rows-name-members'
  | 'epoch-kept'
  | 'rows-opened'
  | 'opens-empty'
  | 'memory-budget'
  | 'unclean-stop-refused'
  | 'cluster-version'
  // Of what clients see
  | 'linearizable'
  | 'checked-in-time'
  | 'replies-as-asked'
  // Once it is healed
  | 'progress'
  | 'answers-after-healing'
  // Of the product's own: it noticed by itself
  | 'assert'
  | 'crash'
  | 'node-lives';
