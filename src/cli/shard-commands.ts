/** `torc shard …`: what an operator decides about shards. */
import { Command } from 'commander';
import {
  addPeerSecretOption,
  anyNode,
  finish,
  nodeOptionsOf,
  ONE_LINE,
  peerSecretOf,
  wholeNumber,
} from './command-options.ts';
import { giveUpShard } from './give-up-shard.ts';

const TIMEOUT_MS = 5000;
const SHARD_MOST = 65_535;

export function shardCommand(): Command {
  return new Command('shard')
    .description('What concerns the shards of a cluster.')
    .addCommand(giveUpCommand());
}

function giveUpCommand(): Command {
  const command = new Command('give-up')
    .description(
      'When a shard has lost its majority for good: its data is given up, and its slots begin anew, empty.',
    )
    .argument('<shard>', 'Its number, as torc status shows it.', wholeNumber(1, SHARD_MOST))
    .addOption(anyNode())
    .option('--yes-i-lose-its-data', 'Else it only says what would be lost.', false)
    .option(
      '--timeout-ms <ms>',
      'How long to wait for the answer of a node.',
      wholeNumber(1, 600_000),
      TIMEOUT_MS,
    )
    .option('--no-wait', 'Returns once it is decided; given again, it goes on waiting.')
    .helpOption('-h, --help', 'Shows this.')
    .configureOutput(ONE_LINE);
  addPeerSecretOption(command);
  return command.action((shard: number) => {
    const { yesILoseItsData: isSure, wait: waits } = command.opts<{
      yesILoseItsData: boolean;
      wait: boolean;
    }>();
    const target = { ...nodeOptionsOf(command), peerSecret: peerSecretOf(command) };
    return finish(() => giveUpShard({ ...target, shard, isSure, waits }));
  });
}
