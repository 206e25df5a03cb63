/** Every command, family by family. A new family is its file and a line here; so is a change of what apply does, but as a version of its own. */
import { HASHES } from './hashes.ts';
import { KEYS } from './keys.ts';
import { localCommands } from './local-table.ts';
import { RulesTable, type RulesChange } from './rules.ts';
import { STRINGS } from './strings.ts';

/** CONTRIBUTING.md, "Changing what apply does". */
const CHANGES: readonly RulesChange[] = [];

export const RULES = new RulesTable([STRINGS, KEYS, HASHES, localCommands], CHANGES);
/** The newest. */
export const COMMANDS = RULES.commandsAt(RULES.newest);
