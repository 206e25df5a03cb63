import { testScenarios } from '../scenarios/run.ts';
import { Scenario } from './scenario.ts';

testScenarios('Paxos scenarios', 'paxos', () => new Scenario());
