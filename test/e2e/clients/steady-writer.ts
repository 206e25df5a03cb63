/**
 * Writes small values without a pause, one connection for each key, until its input ends; then prints what it saw as JSON. A process of its own,
 * so that nothing that a test does with large values is taken for a delay of the nodes.
 *
 *     tsx steady-writer.ts PORT KEY…
 */
import { connect } from 'node:net';

/** Of one key. */
export interface SteadyReport {
  key: string;
  writes: number;
  longestMs: number;
  meanMs: number;
  errors: string[];
}

const [port, ...keys] = process.argv.slice(2);
const over = new AbortController();

async function write(key: string): Promise<SteadyReport> {
  const socket = connect(Number(port), '127.0.0.1');
  socket.setNoDelay(true);
  const replies = socket[Symbol.asyncIterator]();
  const report: SteadyReport = { key, writes: 0, longestMs: 0, meanMs: 0, errors: [] };
  let sumMs = 0;
  while (!over.signal.aborted) {
    const sentMs = performance.now();
    socket.write(`SET ${key} ${report.writes}\r\n`);
    const { value, done } = (await replies.next()) as { value: Buffer | undefined; done: boolean };
    if (done) break;
    const tookMs = performance.now() - sentMs;
    sumMs += tookMs;
    report.writes += 1;
    report.longestMs = Math.max(report.longestMs, tookMs);
    const text = String(value);
    if (text !== '+OK\r\n') report.errors.push(text);
  }
  socket.destroy();
  report.meanMs = sumMs / report.writes;
  return report;
}

process.stdin.resume();
process.stdin.on('end', () => over.abort());
process.stdout.write(`${JSON.stringify(await Promise.all(keys.map(write)))}\n`);
