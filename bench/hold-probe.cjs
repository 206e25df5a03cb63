/**
 * Preloaded into nodes by bench/hold-watch.ts: writes down each hold of the event loop, when it ended, how long it was, for how long of that the
 * thread ran, for how long it could have run but had no processor, and for how long the collector held it. So what the node did is told from what the
 * machine did; what is left is waiting for the disk, or for other threads of the process.
 */
'use strict';
const fs = require('node:fs');
const { PerformanceObserver } = require('node:perf_hooks');

const TICK_MS = 1;
const LEAST_MS = 3;
const WRITE_EVERY_MS = 200;
const NS_PER_MS = 1e6;

function watch(path) {
  // Of the main thread: nanoseconds run, nanoseconds waited for a processor.
  const schedule = fs.openSync(`/proc/self/task/${process.pid}/schedstat`, 'r');
  const text = Buffer.alloc(96);
  const times = { ranMs: 0, waitedMs: 0 };
  const readTimes = () => {
    const length = fs.readSync(schedule, text, 0, text.length, 0);
    const [ran, waited] = text.toString('latin1', 0, length).split(' ');
    times.ranMs = Number(ran) / NS_PER_MS;
    times.waitedMs = Number(waited) / NS_PER_MS;
  };
  const pauses = [];
  new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries())
      pauses.push({ end: startTime + duration, duration });
  }).observe({ entryTypes: ['gc'] });
  const holds = [];
  let lastMs = performance.now();
  readTimes();
  setInterval(() => {
    const nowMs = performance.now();
    const { ranMs, waitedMs } = times;
    readTimes();
    const holdMs = nowMs - lastMs - TICK_MS;
    const spent = { ranMs: times.ranMs - ranMs, waitedMs: times.waitedMs - waitedMs };
    if (holdMs >= LEAST_MS) holds.push({ at: Date.now(), from: lastMs, to: nowMs, holdMs, ...spent });
    lastMs = nowMs;
  }, TICK_MS).unref();
  // The collector's entries come a while later than its pauses.
  setInterval(() => {
    if (holds.length === 0) return;
    const lines = holds.splice(0).map(({ from, to, ...hold }) => {
      const within = pauses.filter(({ end }) => end > from && end <= to);
      const gcMs = within.reduce((sum, { duration }) => sum + duration, 0);
      return JSON.stringify({ ...hold, gcMs });
    });
    pauses.splice(0);
    fs.appendFileSync(path, `${lines.join('\n')}\n`);
  }, WRITE_EVERY_MS).unref();
}

const directory = process.env.HOLD_PROBE_DIRECTORY;
if (directory !== undefined && process.argv.includes('start')) watch(`${directory}/${process.pid}`);
