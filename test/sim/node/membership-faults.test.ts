import { describe, expect, it } from 'vitest';

import { Churn } from './churn.ts';
import { wrongReplicas } from './replicas.ts';

describe('members that change under faults', () => {
  it.each([1, 2, 3, 4])(
    'lose nothing, and are in the end as they should be (seed %i)',
    async (seed) => {
      const churn = new Churn(seed);
      const topology = await churn.run();
      expect(topology.epoch).toBeGreaterThan(3);
      expect(churn.failure()).toBeNull();
      expect(await wrongReplicas(churn.cluster, false)).toBeNull();
    },
    120_000,
  );
});
