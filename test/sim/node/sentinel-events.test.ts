/** What those hear who listen to a node as to a sentinel. */
import { describe, expect, it } from 'vitest';

import { SimCluster, type SimClient } from './cluster.ts';

function heard(client: SimClient): string[] {
  return client.replies.map((reply) => reply.split('\r\n').at(-2) ?? '');
}

describe('+sdown in a simulated cluster', () => {
  it('tells of a node that stands still, once, and the node itself tells of nobody when it goes on', async () => {
    const cluster = new SimCluster(51, 3);
    await cluster.startAll();
    await cluster.pass(1000);
    const listeners = cluster.nodes.map((_, i) => cluster.client(i));
    for (const client of listeners) await client.ask('subscribe', '+sdown');
    cluster.pause(1);
    await cluster.pass(10_000);
    cluster.resume(1);
    await cluster.pass(10_000);
    const gone = 'master torc 127.0.0.1 7002';
    expect(listeners.map((client) => heard(client).slice(1))).toEqual([[gone], [], [gone]]);
    expect(cluster.nodes.every((node) => node.running?.ready === true)).toBe(true);
    expect(await cluster.client(1).ask('sentinel', 'ckquorum', 'torc')).toMatch(/^\+OK 3 usable/);
    // It still hears when one is really gone.
    cluster.crash(0);
    await cluster.pass(5000);
    expect(heard(listeners[1]).slice(1)).toEqual(['master torc 127.0.0.1 7001']);
  });
});
