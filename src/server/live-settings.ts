/** CONFIG as commands see it, over the node's settings, which change in place. */
import type { Setting, SettingRefusal, SettingsView } from '../commands/local-context.ts';
import type { Machine } from '../env/contracts.ts';
import { configGet, configSet } from '../settings/config-command.ts';
import type { SettingKey, Settings } from '../settings/rows.ts';
import { clientsFor } from './open-files.ts';

/** `changed` is told what has another value now. */
export function liveSettings(
  settings: Settings,
  machine: Pick<Machine, 'memoryBytes' | 'openFilesMost'>,
  changed: (keys: readonly SettingKey[]) => void,
): SettingsView {
  return {
    list: () => {
      const found: Setting[] = [];
      configGet(
        settings,
        () => true,
        (name, value) => found.push({ name, value }),
      );
      return found;
    },
    set: (pairs): SettingRefusal | null => {
      const texts = pairs.flatMap(({ name, value }) => [name, value]);
      const tooMany = refuseTooManyClients(pairs, clientsFor(machine.openFilesMost));
      if (tooMany !== null) return tooMany;
      const outcome = configSet(settings, texts, machine.memoryBytes);
      if (!outcome.ok) return outcome.refusal;
      changed(outcome.changed);
      return null;
    },
  };
}

/** In Redis's words. */
function refuseTooManyClients(pairs: readonly Setting[], most: number): SettingRefusal | null {
  const wanted = pairs.find(({ name }) => name === 'maxclients');
  if (wanted === undefined || !(Number(wanted.value) > most)) return null;
  return {
    kind: 'invalid',
    name: wanted.name,
    reason: `The operating system is not able to handle the specified number of clients, try with ${most}`,
  };
}
