import { expect, it } from 'vitest';

import { MoveItemType, slotsItem } from '../../../src/shard/moves/move-item.ts';
import { MoveAnswer } from '../../../src/shard/moves/slot-state.ts';
import { Group, NOW } from '../../sim/moves/group.ts';
import { slotOfKey } from '../../sim/moves/oracle.ts';
import { rangesOf } from '../../sim/moves/world.ts';

const SLOT = slotOfKey('{a}');
const SLOTS = rangesOf([SLOT]);
const MOVE = 1;

it.each([
  { command: ['flushall'], reply: '+OK\r\n', keys: 1 },
  { command: ['flushdb'], reply: '+OK\r\n', keys: 1 },
  // It has not expired at the time of the effect.
  { command: ['append', '{a}before', 'x'], reply: ':2\r\n', keys: 2 },
])('$command.0 at the source does the same to what is on its way', ({ command, reply, keys }) => {
  const source = new Group(1, SLOTS, 2, 1e9);
  const target = new Group(2, [], 2, 1e9);
  source.command(['set', '{a}before', '1', 'px', '100000'], 1, 1);
  source.move(slotsItem(MoveItemType.EXPORT_BEGIN, MOVE, target.shard, SLOTS));
  target.move(slotsItem(MoveItemType.IMPORT_BEGIN, MOVE, source.shard, SLOTS));
  const feed = source.feed(MOVE);
  const positions = (): ReturnType<typeof target.machine.moves.positions> =>
    target.machine.moves.positions(MOVE, [SLOT]);
  const sendAll = (): void => {
    for (let items = feed.next(100_000); items !== null; items = feed.next(100_000)) {
      target.move(items);
      feed.logged(positions());
    }
  };
  feed.resume(positions());
  sendAll();
  expect(source.command(command, 1, 2, 2, 0, SLOT).text).toBe(reply);
  source.command(['set', '{a}after', '2'], 1, 3);
  source.move(slotsItem(MoveItemType.FENCE, MOVE, 0, SLOTS));
  sendAll();
  const activation = feed.activation([SLOT], NOW);
  if (activation === null) expect.fail('not all is sent');
  expect(target.move(activation).flatMap(({ answers }) => [...answers])).toEqual([MoveAnswer.WENT]);
  expect(target.machine.keyspace.keyCountInSlot(SLOT)).toBe(keys);
});
