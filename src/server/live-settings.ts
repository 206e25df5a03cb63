/** CONFIG as commands see it, over the node's settings, which change in place. */
import type { Setting, SettingRefusal, SettingsView } from '../commands/local-context.ts';
import { configGet, configSet } from '../settings/config-command.ts';
import type { SettingKey, Settings } from '../settings/rows.ts';

/** `changed` is told what has another value now. */
export function liveSettings(
  settings: Settings,
  memoryBytes: number,
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
      const outcome = configSet(settings, texts, memoryBytes);
      if (!outcome.ok) return outcome.refusal;
      changed(outcome.changed);
      return null;
    },
  };
}
