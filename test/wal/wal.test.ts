import { walSuite } from './suite.ts';
import { makeRealWorld, makeSimulatedWorld } from './world.ts';

walSuite('real', makeRealWorld);
walSuite('simulated', makeSimulatedWorld);
