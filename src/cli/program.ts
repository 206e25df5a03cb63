/** The `torc` command: its subcommands, their options and their help. */
import { Command, Option } from 'commander';
import { SystemMachine } from '../env/machine.ts';
import { loadSettings } from '../settings/load.ts';
import { rowOf } from '../settings/rows.ts';
import { unknownVariables } from '../settings/unknown-variables.ts';
import { VERSION } from '../version.ts';
import { raiseClusterVersion, showClusterVersion } from './cluster-version.ts';
import {
  addPeerSecretOption,
  addressArgument,
  anyNode,
  finish,
  nodeOptionsOf,
  ONE_LINE,
  peerSecretOf,
  wholeNumber,
} from './command-options.ts';
import { runDev } from './dev.ts';
import { shardCommand } from './shard-commands.ts';
import { nodeCommand } from './node-commands.ts';
import { NodeProcess } from './node-process.ts';
import type { LaunchNode } from './running-node.ts';
import { rebalanceCommand } from './rebalance-commands.ts';
import { addSettingOptions, givenFlags, readConfigFile } from './setting-options.ts';
import { runRecovery, runRepair } from './repair.ts';
import { runStatus } from './status.ts';
import { showDiff, showHistory, showTopology } from './topology.ts';
import { runVerify } from './verify.ts';

export interface ProgramParts {
  /** Loads what runs a node: only `start` needs it. */
  readonly loadLauncher: () => Promise<LaunchNode>;
  /** What runs this program: `torc dev` starts its nodes with it. */
  readonly self: readonly [string, ...string[]];
}

const MAX_DEV_NODES = 99;

const EXAMPLES = `
Examples:
  torc dev                                  three nodes on this machine, from port 6379 on
  torc dev --nodes 1 --port 7000 --fresh    one node, empty
  torc status --address 127.0.0.1:8379      how they are
  torc node list                            which nodes there are, and which are alive
  torc verify --address 127.0.0.1:8379      whether all replicas hold the same
  torc topology history                     what was decided about nodes, shards and slots
  torc cluster version                      which version it goes by, and what each node runs
  torc node decommission node-6382          one node fewer, while clients go on
  torc rebalance status                     which slots move, and how far that is

Every setting is a flag of torc start, a variable (TORC_CLIENT_PORT) and a line of the file that --config names.`;

export function createProgram(parts: ProgramParts): Command {
  const program = new Command('torc')
    .description(
      'A Redis-compatible cache cluster that is linearizable by default and loses no acknowledged write.',
    )
    .version(VERSION, '-V, --version', 'Shows the version.')
    .configureHelp({ showGlobalOptions: false })
    .helpOption('-h, --help', 'Shows this.')
    .helpCommand(false)
    .addHelpText('after', EXAMPLES)
    .configureOutput(ONE_LINE);
  const commands = [
    devCommand(parts),
    startCommand(parts),
    statusCommand(),
    verifyCommand(),
    clusterCommand(),
    nodeCommand(),
    topologyCommand(),
    rebalanceCommand(),
    shardCommand(),
    repairCommand(),
  ];
  for (const command of commands) {
    if (command.commands.length > 0) command.helpCommand('help [command]', 'Shows all options of a command.');
    program.addCommand(command.helpOption('-h, --help', 'Shows this.').configureOutput(ONE_LINE));
  }
  process.stdout.on('error', forgetReader);
  return program.addCommand(helpCommand(program));
}

/** `torc topology history | head`: who read has seen enough. */
function forgetReader(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}

/** Of commands within commands, too: torc help node decommission. */
function helpCommand(program: Command): Command {
  return new Command('help')
    .description('Shows all options of a command; torc help start shows every setting.')
    .argument('[command...]', 'Its name, as it is typed.')
    .helpOption(false)
    .action((names: readonly string[]) => {
      let command = program;
      for (const name of names) {
        const next = command.commands.find((one) => one.name() === name);
        if (next === undefined) program.error(`unknown command '${names.join(' ')}'`);
        command = next;
      }
      command.outputHelp();
    });
}

function devCommand(parts: ProgramParts): Command {
  const command = new Command('dev')
    .description('Runs a cluster on this machine, a process a node, until Ctrl-C.')
    .option('--nodes <number>', 'How many nodes.', wholeNumber(1, MAX_DEV_NODES), 3)
    .option(
      '--port <port>',
      'Client port of the first node; the next ones follow.',
      wholeNumber(1, 65_535),
      6379,
    )
    .option('--data <directory>', 'Where the data of the nodes is kept.', '.torc')
    .option('--fresh', 'Starts empty: removes what the nodes kept there.', false)
    .option('--no-restart', 'Leaves a node that died dead; else it is started again after 2 s.');
  addSettingOptions(command, (row) => row.setByDev !== true);
  return command.action(() => {
    const { nodes, port, data, fresh, restart } = command.opts<{
      nodes: number;
      port: number;
      data: string;
      fresh: boolean;
      restart: boolean;
    }>();
    return finish(async () =>
      runDev({
        nodes,
        port,
        directory: data,
        fresh,
        restart,
        flags: sharedFlags(command),
        environment: process.env,
        file: readConfigFile(command, process.env),
        machine: new SystemMachine(),
        self: parts.self,
      }),
    );
  });
}

function startCommand(parts: ProgramParts): Command {
  const command = new Command('start').description('Runs one node in the foreground.');
  addSettingOptions(command, () => true);
  command.addOption(
    new Option('--join <addresses>', 'Another name for --seeds: for a node that a running cluster takes in.')
      .helpGroup('Addresses:')
      .conflicts(rowOf('seeds').name),
  );
  command.addHelpText(
    'after',
    `
Each setting is also a variable (TORC_ and its name in capitals: TORC_CLIENT_PORT) and a line of the file. A flag goes before
a variable, a variable before the file, the file before the default in brackets.

Exit codes: 0 after a stop in good order; 1 when the node refuses to start, for a reason printed in one line; 2 when it could
not go on; 128 and the signal's number after a second signal.`,
  );
  return command.action(() =>
    finish(async () => {
      const { join } = command.opts<{ join?: string }>();
      const settings = loadSettings({
        flags: { ...givenFlags(command), ...(join === undefined ? {} : { [rowOf('seeds').name]: join }) },
        flagsGivenAs: join === undefined ? {} : { [rowOf('seeds').name]: 'join' },
        environment: process.env,
        file: readConfigFile(command, process.env),
        machine: new SystemMachine(),
      });
      await new NodeProcess(settings, unknownVariables(process.env)).run(await parts.loadLauncher());
      return null;
    }),
  );
}

function statusCommand(): Command {
  const command = new Command('status')
    .description('Shows the nodes and shards of a running cluster, asking any of its nodes.')
    .addOption(anyNode())
    .option('--timeout-ms <ms>', 'How long to wait for the answer of a node.', wholeNumber(1, 600_000), 2000)
    .option('--json', 'The whole answers of all nodes.', false);
  return command.action(() => {
    const { json } = command.opts<{ json: boolean }>();
    return finish(async () => runStatus({ ...nodeOptionsOf(command), json }));
  });
}

function verifyCommand(): Command {
  const command = new Command('verify')
    .description(
      'Compares all replicas of every shard, byte for byte at one place of its log, while writes go on.',
    )
    .addOption(anyNode())
    .option('--timeout-ms <ms>', "How long to wait for a replica's hash.", wholeNumber(1, 3_600_000), 60_000)
    .option('--json', 'As JSON.', false);
  command.addHelpText(
    'after',
    `
Exit codes: 0 when all replicas are equal; 1 when replicas of a shard differ; 3 when what was compared is equal, but a replica
could not be asked.`,
  );
  return command.action(() => {
    const { json } = command.opts<{ json: boolean }>();
    return finish(async () => runVerify({ ...nodeOptionsOf(command), json }));
  });
}

function repairCommand(): Command {
  const command = new Command('repair')
    .description(
      'Has a stopped node begin anew, when its directory is damaged or may have lost what was acknowledged.',
    )
    .requiredOption(
      '--discard-replica',
      'Sets its files aside; it comes back as another node in its place, and gets its data from the others.',
    )
    .option('--address <host:port>', 'Admin port of a node that runs. [those that the directory knows]')
    .option(
      '--node <id>',
      'Whose place is to be taken: needed when the node moves to another address. [by directory and address]',
    )
    .option('--timeout-ms <ms>', 'How long to wait for the answer of a node.', wholeNumber(1, 600_000), 5000);
  addSettingOptions(command, () => true);
  command.addHelpText(
    'after',
    `
Give the settings that the node is started with. The other nodes serve on meanwhile; a repair that would cost a shard its quorum
is refused and says what to do. A repair that was broken off is run again.`,
  );
  return command.action(() => {
    const { address, node, timeoutMs } = command.opts<{
      address?: string;
      node?: string;
      timeoutMs: number;
    }>();
    return finish(async () =>
      runRepair({
        settings: loadSettings({
          flags: givenFlags(command),
          environment: process.env,
          file: readConfigFile(command, process.env),
          machine: new SystemMachine(),
        }),
        address: address === undefined ? null : addressArgument(address),
        node: node ?? null,
        timeoutMs,
      }),
    );
  });
}

function clusterCommand(): Command {
  const command = new Command('cluster').description('What concerns the cluster as a whole.');
  const version = new Command('version')
    .description('Shows the cluster version, and what each node runs.')
    .addOption(anyNode())
    .option('--timeout-ms <ms>', 'How long to wait for the answer of a node.', wholeNumber(1, 600_000), 5000);
  version.action(() => finish(async () => showClusterVersion(nodeOptionsOf(version))));
  const raise = new Command('raise')
    .description(
      'Raises it to what all nodes run. Refused while one runs less or cannot be asked. There is no way back: no older build can start then.',
    )
    .configureHelp({ showGlobalOptions: true });
  addPeerSecretOption(raise);
  raise.action(() =>
    finish(async () => raiseClusterVersion({ ...nodeOptionsOf(version), peerSecret: peerSecretOf(raise) })),
  );
  for (const one of [version, raise]) one.helpOption('-h, --help', 'Shows this.').configureOutput(ONE_LINE);
  return command.addCommand(version.addCommand(raise));
}

function topologyCommand(): Command {
  const command = new Command('topology').description(
    'The map of the cluster: what is decided about it, and what was.',
  );
  const about = (name: string, description: string): Command =>
    new Command(name)
      .description(description)
      .addOption(anyNode())
      .option(
        '--timeout-ms <ms>',
        'How long to wait for the answer of a node.',
        wholeNumber(1, 600_000),
        2000,
      )
      .helpOption('-h, --help', 'Shows this.')
      .configureOutput(ONE_LINE);
  const show = about('show', 'Shows the newest that the node knows.').option('--json', 'As JSON.', false);
  show.action(() =>
    finish(async () => showTopology(nodeOptionsOf(show), show.opts<{ json: boolean }>().json)),
  );
  const history = about('history', 'Shows the last epochs that the node has kept, and what each changed.');
  history.option('--json', 'As JSON.', false);
  history.action(() =>
    finish(async () => showHistory(nodeOptionsOf(history), history.opts<{ json: boolean }>().json)),
  );
  const diff = about('diff', 'Shows what differs between two epochs.');
  diff.argument('<from>', 'An epoch, such as 1.5 or 5.').argument('<to>', 'Another one.');
  diff.action((from: string, to: string) => finish(async () => showDiff(nodeOptionsOf(diff), from, to)));
  return command.addCommand(show).addCommand(history).addCommand(diff).addCommand(recoverCommand());
}

function recoverCommand(): Command {
  const command = new Command('recover')
    .description(
      'When a majority of the nodes that decide about the topology is lost for good: goes on with the nodes that answer, and gives the others up.',
    )
    .requiredOption(
      '--from <host:port>',
      'Admin port, as announced, of the node whose topology is gone on from.',
    )
    .option('--yes-i-may-lose-decisions', 'Else it only says what is risked.', false)
    .option('--timeout-ms <ms>', 'How long to wait for the answer of a node.', wholeNumber(1, 600_000), 6000)
    .helpOption('-h, --help', 'Shows this.')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput(ONE_LINE);
  addPeerSecretOption(command);
  return command.action(() => {
    const { from, yesIMayLoseDecisions, timeoutMs } = command.opts<{
      from: string;
      yesIMayLoseDecisions: boolean;
      timeoutMs: number;
    }>();
    return finish(async () =>
      runRecovery({
        from: addressArgument(from),
        isSure: yesIMayLoseDecisions,
        peerSecret: peerSecretOf(command),
        timeoutMs,
      }),
    );
  });
}

function sharedFlags(command: Command): Record<string, string> {
  const { data: _, ...flags } = givenFlags(command);
  return flags;
}
