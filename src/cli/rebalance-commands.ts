/** `torc rebalance` and `torc node weight`: their subcommands, options and help. */
import { Command, Option } from 'commander';
import { MAX_WEIGHT } from '../../ring/index.ts';
import type { RebalanceBy } from '../topology/rebalance.ts';
import {
  addPeerSecretOption,
  anyNode,
  finish,
  nodeOptionsOf,
  ONE_LINE,
  peerSecretOf,
  wholeNumber,
} from './command-options.ts';
import type { ChangeTarget } from './propose-change.ts';
import {
  abortRebalance,
  applyPlan,
  pauseRebalance,
  resumeRebalance,
  setNodeWeight,
  showHistory,
  showPlan,
  showRebalance,
  type RebalanceOptions,
} from './rebalance.ts';

/** Nodes ask each other for two seconds at most. */
const TIMEOUT_MS = 5000;

export function rebalanceCommand(): Command {
  const command = new Command('rebalance').description(
    'Which slots move between shards: shown, planned, begun, paused and aborted.',
  );
  const plan = told(
    'plan',
    'Shows what would move now: from where to where, keys, bytes and about how long.',
  );
  plan.addOption(byOption());
  plan.action(() => finish(async () => showPlan(toldOptions(plan), byOf(plan))));
  const apply = changing(
    'apply',
    'Begins the plan that torc rebalance plan shows. Refused when it is not safe now.',
  );
  apply.addOption(byOption());
  apply.action(() => finish(async () => applyPlan(targetOf(apply), byOf(apply))));
  const status = told('status', 'Shows how far the plan under way is.');
  status.action(() => finish(async () => showRebalance(toldOptions(status))));
  const pause = changing('pause', 'Sends no more slots than are on their way, by hand or by itself.');
  pause.action(() => finish(async () => pauseRebalance(targetOf(pause))));
  const resume = changing('resume', 'Goes on after pause or abort.');
  resume.action(() => finish(async () => resumeRebalance(targetOf(resume))));
  const abort = changing(
    'abort',
    'Ends the plan under way. What has gone over stays; what has not goes back, if it still can. Pauses.',
  );
  abort.action(() => finish(async () => abortRebalance(targetOf(abort))));
  const history = told('history', 'Shows the last plans: what moved, when, and how long it took.');
  history.action(() => finish(async () => showHistory(toldOptions(history))));
  for (const one of [plan, apply, status, pause, resume, abort, history]) command.addCommand(one);
  return command;
}

/** For `torc node`. */
export function weightCommand(): Command {
  const command = changing(
    'weight',
    'Changes the share of the slots that the home shard of a node gets, relative to the others.',
  )
    .argument('<node>', 'Its name, its number, its client address, or the beginning of its id.')
    .argument('<weight>', `A whole number from 1 to ${MAX_WEIGHT}.`, wholeNumber(1, MAX_WEIGHT));
  return command.action((node: string, share: number) =>
    finish(async () => setNodeWeight(targetOf(command), node, share)),
  );
}

function told(name: string, description: string): Command {
  return asking(name, description).option('--json', 'As JSON.', false);
}

function changing(name: string, description: string): Command {
  return addPeerSecretOption(asking(name, description));
}

function asking(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .addOption(anyNode())
    .option(
      '--timeout-ms <ms>',
      'How long to wait for the answer of a node.',
      wholeNumber(1, 600_000),
      TIMEOUT_MS,
    )
    .helpOption('-h, --help', 'Shows this.')
    .configureOutput(ONE_LINE);
}

function byOption(): Option {
  return new Option('--by <what>', 'What is spread evenly. [the cluster setting rebalance-by]').choices([
    'slots',
    'bytes',
    'ops',
  ]);
}

function byOf(command: Command): RebalanceBy | null {
  return command.opts<{ by?: RebalanceBy }>().by ?? null;
}

function toldOptions(command: Command): RebalanceOptions {
  return { ...nodeOptionsOf(command), json: command.opts<{ json: boolean }>().json };
}

function targetOf(command: Command): ChangeTarget {
  return { ...nodeOptionsOf(command), peerSecret: peerSecretOf(command) };
}
