import { describe, expect, it } from 'vitest';

import {
  answerBit,
  encodeMoveMessage,
  NO_ITEMS,
  readMoveMessages,
  type MoveMessage,
} from '../../../src/server/moves/move-messages.ts';
import { MoveAnswer, MoveOutcome, SlotState } from '../../../src/shard/moves/slot-state.ts';
import { Refusal } from '../../../src/shard/waiter.ts';

const POSITION = {
  slot: 16383,
  state: SlotState.STAGING,
  ended: MoveOutcome.NONE,
  cutIndex: 3,
  cutTerm: 2,
  isCut: false,
  offset: 2 ** 40,
};
const MESSAGES: MoveMessage[] = [
  { kind: 'ask', number: 1, shard: 2, move: 2 ** 32 + 5, slots: [0, 16383] },
  {
    kind: 'answer',
    number: 1,
    refusal: 0,
    answers: answerBit(MoveAnswer.DONE) | answerBit(MoveAnswer.PENDING),
    positions: [POSITION, { ...POSITION, slot: 0, ended: MoveOutcome.ABORTED, isCut: true }],
    lateMs: 2.5,
  },
  { kind: 'answer', number: 2, refusal: Refusal.LOG_FULL, answers: 0, positions: [], lateMs: 0 },
  { kind: 'owner', move: 9, shard: 3, slots: [{ from: 4, to: 400 }] },
];

function read(bytes: Buffer): { message: MoveMessage; items: string }[] | null {
  const taken: { message: MoveMessage; items: string }[] = [];
  const isGood = readMoveMessages(bytes, 0, bytes.length, (message, items) =>
    taken.push({ message, items: items.toString() }),
  );
  return isGood ? taken : null;
}

describe('messages of moves', () => {
  it('come as they were sent, many in one section, with their items', () => {
    const section = Buffer.concat(
      MESSAGES.map((message, at) => encodeMoveMessage(message, Buffer.from(`i${at}`))),
    );
    expect(read(section)).toEqual(MESSAGES.map((message, at) => ({ message, items: `i${at}` })));
  });

  it('are refused where they are cut short, or say what cannot be', () => {
    const [ask] = MESSAGES;
    const whole = encodeMoveMessage(ask, Buffer.from('items'));
    for (let end = 1; end < whole.length; end++) expect(read(whole.subarray(0, end))).toBeNull();
    const headless = Buffer.from(whole);
    headless.writeUInt32LE(whole.length, 12);
    expect(read(headless)).toBeNull();
    const [, answer, , owner] = MESSAGES;
    const wrong = [
      { ...ask, slots: [16384] },
      { ...ask, move: 0 },
      { ...ask, move: 1.5 },
      { ...answer, refusal: 9 },
      { ...answer, answers: 256 },
      { ...answer, lateMs: Number.NaN },
      { ...answer, lateMs: Infinity },
      ...[
        { slot: 16384 },
        { state: 9 },
        { ended: 3 },
        { cutIndex: -1 },
        { cutTerm: 0.5 },
        { offset: 2 ** 53 },
      ].map((part) => ({ ...answer, positions: [{ ...POSITION, ...part }] })),
      { ...owner, slots: [{ from: 4, to: 16384 }] },
      { ...owner, slots: [{ from: 5, to: 4 }] },
      { ...owner, move: -1 },
    ];
    for (const message of wrong)
      expect(read(encodeMoveMessage(message as unknown as MoveMessage, NO_ITEMS))).toBeNull();
    const unknown = Buffer.from(whole);
    for (const kind of [0, 4, 255]) {
      unknown[4] = kind;
      expect(read(unknown)).toBeNull();
    }
    expect(read(Buffer.alloc(8))).toBeNull();
    expect(read(Buffer.alloc(28))).toBeNull();
  });
});
