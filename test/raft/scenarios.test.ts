import { testScenarios } from '../scenarios/run.ts';
import { Scenario } from './scenario.ts';

testScenarios('Raft scenarios', 'raft', () => new Scenario());
