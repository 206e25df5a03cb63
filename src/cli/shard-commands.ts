/** `torc shard …`: what an operator decides about shards. */
import { Command, Option } from 'commander';
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
      'When a shard has lost its majority for good: its slots go on with what one replica still holds, or begin anew, empty.',
    )
    .argument('<shard>', 'Its number, as torc status shows it.', wholeNumber(1, SHARD_MOST))
    .addOption(anyNode())
    .addOption(
      new Option(
        '--rewind',
        'Goes on with what the replica with the longest log holds: what was acknowledged and is not there is lost.',
      ).conflicts('empty'),
    )
    .option('--empty', 'Drops what is left of it. Need not be said where nothing is.')
    .option('--yes-i-may-lose-writes', 'With --rewind. Else it only says what may be lost.', false)
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
    const { rewind, empty, yesIMayLoseWrites, yesILoseItsData, wait } = command.opts<{
      rewind?: boolean;
      empty?: boolean;
      yesIMayLoseWrites: boolean;
      yesILoseItsData: boolean;
      wait: boolean;
    }>();
    const begins = rewind === true ? 'rewound' : empty === true ? 'empty' : null;
    const target = { ...nodeOptionsOf(command), peerSecret: peerSecretOf(command) };
    const answers = { mayLoseWrites: yesIMayLoseWrites, losesAll: yesILoseItsData };
    return finish(() => giveUpShard({ ...target, shard, begins, ...answers, waits: wait }));
  });
}
