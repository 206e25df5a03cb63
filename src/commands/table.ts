/** Every command, family by family. A new family is its file and a line here. */
import { CommandTable } from './command-table.ts';
import { HASHES } from './hashes.ts';
import { KEYS } from './keys.ts';
import { localCommands } from './local-table.ts';
import { STRINGS } from './strings.ts';

export const COMMANDS = new CommandTable([STRINGS, KEYS, HASHES, localCommands]);
