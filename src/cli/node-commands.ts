/** `torc node …`: what concerns the nodes of a running cluster. */
import { Command } from 'commander';
import { StartupError } from '../errors.ts';
import {
  addPeerSecretOption,
  anyNode,
  finish,
  nodeOptionsOf,
  ONE_LINE,
  peerSecretOf,
  wholeNumber,
} from './command-options.ts';
import { runNodeList } from './node-list.ts';
import { weightCommand } from './rebalance-commands.ts';
import { cancelLeave, decommission, removeDead, type LeavingOptions } from './leaving.ts';

const TIMEOUT_MS = 5000;
const LIST_TIMEOUT_MS = 2000;

export function nodeCommand(): Command {
  const command = new Command('node').description('What concerns the nodes of a cluster.');
  for (const one of [listCommand(), weightCommand(), decommissionCommand(), removeCommand()])
    command.addCommand(one);
  return command;
}

function listCommand(): Command {
  const command = new Command('list')
    .description('Shows all nodes, and which are alive as the node that is asked sees it.')
    .addOption(anyNode())
    .option('--timeout-ms <ms>', 'How long to wait for its answer.', wholeNumber(1, 600_000), LIST_TIMEOUT_MS)
    .option('--json', 'As JSON, with all that each says of itself.', false)
    .helpOption('-h, --help', 'Shows this.')
    .configureOutput(ONE_LINE);
  return command.action(() => {
    const { json } = command.opts<{ json: boolean }>();
    return finish(async () => runNodeList({ ...nodeOptionsOf(command), json }));
  });
}

function decommissionCommand(): Command {
  const command = leaving(
    'decommission',
    'Takes a node out that runs: its slots and replicas go to the others, then its process may stop.',
  ).option('--cancel', 'It stays after all.', false);
  command.action((node: string) =>
    finish(async () => {
      const { cancel } = command.opts<{ cancel: boolean }>();
      return cancel ? cancelLeave(optionsOf(command, node)) : decommission(optionsOf(command, node));
    }),
  );
  return command;
}

function removeCommand(): Command {
  const command = leaving(
    'remove',
    'Takes a node out that does not come back: its replicas are made anew on the others. Refused where that would cost a shard its quorum.',
  ).option('--dead', 'It is dead, and what is on its disk is not needed any more.', false);
  command.action((node: string) =>
    finish(async () => {
      if (!command.opts<{ dead: boolean }>().dead)
        throw new StartupError(
          'TORC_NOT_DEAD',
          'torc node remove is for nodes that are dead, which --dead says; torc node decommission takes out one that runs.',
        );
      return removeDead(optionsOf(command, node));
    }),
  );
  return command;
}

function leaving(name: string, description: string): Command {
  const command = new Command(name)
    .description(description)
    .argument('<node>', 'Its name, its number, its client address, or the beginning of its id.')
    .addOption(anyNode())
    .option(
      '--timeout-ms <ms>',
      'How long to wait for the answer of a node.',
      wholeNumber(1, 600_000),
      TIMEOUT_MS,
    )
    .option(
      '--even-if-full',
      'Also where nodes that stay would be more than 85 % full, of their memory or their disk.',
      false,
    )
    .option('--no-wait', 'Returns once it is decided; torc node decommission, given again, goes on waiting.')
    .helpOption('-h, --help', 'Shows this.')
    .configureOutput(ONE_LINE);
  return addPeerSecretOption(command);
}

function optionsOf(command: Command, node: string): LeavingOptions {
  const { wait, evenIfFull } = command.opts<{ wait: boolean; evenIfFull: boolean }>();
  return { ...nodeOptionsOf(command), peerSecret: peerSecretOf(command), node, waits: wait, evenIfFull };
}
