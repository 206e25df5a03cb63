/** What a test needs of a client library: one command at a time, and what is certain about it when it fails. */
import type { Reply } from '../../linearizability/history.ts';

export interface TestClient {
  readonly name: string;
  /** Rejects as its library does. */
  send(command: string, words: readonly string[]): Promise<Reply>;
  close(): void;
}

export type Failure =
  /** It may or may not have run: the connection broke, or `-INDETERMINATE`. */
  | { kind: 'unknown'; text: string; isIndeterminate: boolean }
  /** It has not run, and never will. */
  | { kind: 'not-run'; text: string }
  /** The node says that the command is wrong. */
  | { kind: 'error'; text: string };

/** What libraries say before anything of the command was sent. */
const NEVER_SENT = [
  "Stream isn't writeable",
  'The client is offline',
  'The client is closed',
  'Could not connect to Redis',
  'Cluster isn',
  'None of startup nodes',
];

export function failureOf(error: unknown): Failure {
  const text = error instanceof Error ? error.message : String(error);
  if (text.startsWith('INDETERMINATE')) return { kind: 'unknown', text, isIndeterminate: true };
  if (/^(CLUSTERDOWN|MOVED|LOADING)\b/.test(text) || NEVER_SENT.some((start) => text.startsWith(start)))
    return { kind: 'not-run', text };
  if (/^(ERR|WRONGTYPE|OOM|CROSSSLOT|NOAUTH|REPLYLOST|BUSY|READONLY)\b/.test(text))
    return { kind: 'error', text };
  return { kind: 'unknown', text, isIndeterminate: false };
}
