/** What keeps a connection blocked: WAIT. */
export interface BlockedCommand {
  /** Something that it waits for may have come, or its client may have ended. */
  check(): void;
  end(reason: 'timeout' | 'error'): void;
}
