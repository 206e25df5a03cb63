/** The log of a process: pino, on standard output. */
import {
  destination,
  pino,
  stdSerializers,
  stdTimeFunctions,
  type DestinationStream,
  type Logger,
} from 'pino';
import type { Log, LogEvent, LogFields } from '../log.ts';
import { rowOf, SETTING_KEYS, type Settings } from '../settings/rows.ts';
import { colourful } from './colour.ts';
import { prettyLine } from './log-line.ts';

export interface ProcessLog extends Log {
  /** Calls back once all lines are written, in their order; after two seconds though some are not. */
  settle(done: () => void): void;
  /** Writes out at once what is still held, before a line that is being written just now: for a process that must end. */
  flush(): void;
}

type Level = Settings['logLevel'];

const STANDARD_OUTPUT = 1;
const SETTLE_LIMIT_MS = 2000;
const MASK = '(secret)';
const SEVERITY: Readonly<Record<Level, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

/** Secrets are never logged on purpose; should one be a field, alone or in an object, it is masked. */
const SECRET_PATHS = SETTING_KEYS.filter((key) => rowOf(key).secret === true).flatMap((key) =>
  [key, rowOf(key).name].flatMap((name) => [`["${name}"]`, `*["${name}"]`]),
);

export function createProcessLog(settings: Settings): ProcessLog {
  const output = destination({ dest: STANDARD_OUTPUT, sync: false });
  let writing = false;
  output.on('error', (error: NodeJS.ErrnoException) => {
    writing = false;
    // Whoever read the log has gone; there is nobody left to tell, and the node serves on.
    if (error.code !== 'EPIPE') throw error;
  });
  output.on('drain', () => {
    writing = false;
  });
  const lines = {
    write: (line: string): void => {
      writing = true;
      output.write(line);
    },
  };
  const log = createLog(settings, settings.logFormat === 'pretty' ? pretty(lines) : lines);
  const settle = (done: () => void): void => {
    if (!writing) return done();
    const limit = setTimeout(done, SETTLE_LIMIT_MS);
    output.once('drain', () => {
      clearTimeout(limit);
      done();
    });
  };
  return { ...log, settle, flush: () => output.flushSync() };
}

/** `log-level` changes live: it is looked up at each event. */
export function createLog(settings: Pick<Settings, 'id' | 'logLevel'>, output: DestinationStream): Log {
  const logger = pino(
    {
      level: 'debug',
      base: { node: settings.id },
      messageKey: 'event',
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: stdSerializers.err },
      redact: { paths: SECRET_PATHS, censor: MASK },
    },
    output,
  );
  return wrap(logger, (level) => SEVERITY[level] >= SEVERITY[settings.logLevel]);
}

function wrap(logger: Logger, wanted: (level: Level) => boolean): Log {
  const write =
    (level: Level) =>
    (event: LogEvent, fields: LogFields = {}): void => {
      if (wanted(level)) logger[level](fields, event);
    };
  return {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
  };
}

function pretty(output: DestinationStream): DestinationStream {
  const coloured = colourful(process.stdout);
  return { write: (line) => output.write(`${prettyLine(line, coloured)}\n`) };
}
