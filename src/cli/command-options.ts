/** What subcommands of `torc` share: the node that is asked, and how they end. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { Address } from '../env/contracts.ts';
import { SystemMachine } from '../env/machine.ts';
import { StartupError } from '../errors.ts';
import { isWildcard } from '../settings/derived.ts';
import { parseAddress } from '../settings/kinds.ts';
import { loadSettings } from '../settings/load.ts';
import { rowOf } from '../settings/rows.ts';
import { ExitCode } from './exit-code.ts';
import { addSettingOptions, givenFlags, readConfigFile } from './setting-options.ts';

/** A mistake on the command line is told like any other refusal. */
export const ONE_LINE = {
  outputError: (text: string, write: (text: string) => void): void => {
    const sentence = text
      .trim()
      .replace(/^error: /, '')
      .replaceAll(/\s*\n\s*/g, ' ');
    write(`torc: ${sentence}${/[.)?]$/.test(sentence) ? '' : '.'} torc help shows what there is.\n`);
  },
};

export function anyNode(): Option {
  return new Option(
    '--address <host:port>',
    'Admin port of a node. [that of the node which the variables describe: 127.0.0.1:8379]',
  );
}

export function nodeOptionsOf(command: Command): { address: Address; timeoutMs: number } {
  const { address, timeoutMs } = command.opts<{ address?: string; timeoutMs: number }>();
  return { address: address === undefined ? defaultAddress() : addressArgument(address), timeoutMs };
}

/** One line and exit code 1 for what a person can act on, 2 for a disk that refuses; null: the command goes on, and ends the process itself. */
export async function finish(run: () => Promise<number | null>): Promise<void> {
  try {
    const code = await run();
    if (code !== null) process.exitCode = code;
  } catch (error) {
    if (error instanceof StartupError) process.exitCode = ExitCode.REFUSED;
    else if (isDiskRefusal(error)) process.exitCode = ExitCode.FAILED;
    else throw error;
    process.stderr.write(`torc: ${error.message}\n`);
  }
}

/** The system's own words name the call and the path: no permission, no room, not a directory. */
function isDiskRefusal(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error && 'path' in error && 'code' in error;
}

function defaultAddress(): Address {
  const { bind, adminPort } = loadSettings({ environment: process.env, machine: new SystemMachine() });
  return { host: isWildcard(bind) ? '127.0.0.1' : bind, port: adminPort };
}

export function addressArgument(text: string): Address {
  const address = parseAddress(text);
  if (address.port === 0 || address.port > 65_535)
    throw new StartupError(
      'TORC_ADDRESS',
      `--address: '${text}' is not allowed: it must be host:port, such as 127.0.0.1:8379.`,
    );
  return address;
}

/** For commands that change the topology: only who knows the peer secret may. */
export function addPeerSecretOption(command: Command): Command {
  return addSettingOptions(command, (row) => row.name === rowOf('peerSecret').name);
}

export function peerSecretOf(command: Command): string {
  const { peerSecret } = loadSettings({
    flags: givenFlags(command),
    environment: process.env,
    file: readConfigFile(command, process.env),
    machine: new SystemMachine(),
  });
  return peerSecret;
}

export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}
