/**
 * What a person would ask about, one line per event. The event is a stable name in kebab case (`leader-elected`), which alerts can look
 * for; all that varies is in the fields. Secrets are never fields.
 */
export type LogFields = Readonly<Record<string, unknown>>;

export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
  /** Logs with these fields in every line. */
  child(fields: LogFields): Log;
}

const nothing = (): void => {};

/** Says nothing: for simulations and tests. */
export const silentLog: Log = {
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  child: () => silentLog,
};
