import { expect, it } from 'vitest';

import { placesToAsk } from '../../src/topology/places-to-ask.ts';

const at = (i: number) => ({ host: `h${i}`, peerPort: 16_379 });
const place = (host: string) => ({ host, port: 16_379 });
const SELF = at(1);

it('are where the others were, and where the seeds are, each once, and not the node itself', () => {
  const seeds = [place('h1'), place('h3'), place('torc.example')];
  expect(placesToAsk([at(2), at(3)], [], SELF, seeds)).toEqual([
    place('h2'),
    place('h3'),
    place('torc.example'),
  ]);
});

it('are not those of nodes that it is connected to', () => {
  expect(placesToAsk([at(2), at(3), at(4)], [at(3)], SELF, [place('h3'), place('h4')])).toEqual([
    place('h2'),
    place('h4'),
  ]);
});

it('are none where it knows of nobody else', () => {
  expect(placesToAsk([], [], SELF, [place('h1')])).toEqual([]);
});
