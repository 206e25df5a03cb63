/** Where in a node's data directory its log lies. */
export function logDirectory(dataDirectory: string): string {
  return `${dataDirectory}/log`;
}

/** What a process locks that uses the log: with it all of the data directory is its. */
export function logLock(directory: string): string {
  return `${directory}/lock`;
}
