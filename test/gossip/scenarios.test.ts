import { testScenarios } from '../scenarios/run.ts';
import { Scenario } from './scenario.ts';

testScenarios('Gossip scenarios', 'gossip', () => new Scenario());
