import { testScenarios } from '../../scenarios/run.ts';
import { MoveScenario } from './move-scenario.ts';

testScenarios('Scenarios of moves', 'moves', () => new MoveScenario());
