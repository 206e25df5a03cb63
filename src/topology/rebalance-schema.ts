/** Plans of moves as they come from a file or another node. */
import { z } from 'zod';

import { OUTCOMES } from './rebalance.ts';
import { SLOT_COUNT } from './types.ts';

const id = z.number().int().min(1);
const count = z.number().int().min(0);
const slot = count.max(SLOT_COUNT - 1);

export const rebalanceBy = z.enum(['slots', 'bytes', 'ops']);

export const planSteps = z.array(
  z.object({ source: id, target: id, slots: z.array(z.object({ from: slot, to: slot })) }),
);

const head = {
  id,
  by: rebalanceBy,
  isAutomatic: z.boolean(),
  beganMs: z.number().min(0),
  pausedMs: z.number().min(0).optional(),
  slots: count,
  moved: count,
  transfers: z.array(z.object({ source: id, target: id, slots: count })),
};

export const rebalance = z.object({
  paused: z.boolean().optional(),
  pausedAtMs: z.number().min(0).optional(),
  plan: z
    .object({
      ...head,
      steps: planSteps,
      moves: z.array(id),
      aborting: z.boolean().optional(),
      superseded: z.boolean().optional(),
    })
    .optional(),
  history: z.array(
    z.object({
      ...head,
      endedMs: z.number().min(0),
      outcome: z.enum(OUTCOMES),
    }),
  ),
});
