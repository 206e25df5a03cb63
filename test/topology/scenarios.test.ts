import { testScenarios } from '../scenarios/run.ts';
import { Scenario } from './scenario.ts';

testScenarios('scenarios of nodes that come and go', 'nodes', () => new Scenario());
