/** The nodes of `torc dev`: what each one's settings are. */
import { ownPeerAddress, PEER_PORT_DISTANCE, type MachineFacts } from '../settings/derived.ts';
import { loadSettings, SettingError, type FileValues } from '../settings/load.ts';
import { rowOf, SETTING_KEYS, variableOf, type SettingKey, type Settings } from '../settings/rows.ts';
import type { Environment } from './setting-options.ts';

export interface DevRequest {
  readonly nodes: number;
  /** Client port of the first node. */
  readonly port: number;
  readonly directory: string;
  /** Settings that all nodes share. */
  readonly flags: Readonly<Record<string, string>>;
  readonly environment: Environment;
  readonly file: FileValues | null;
  readonly machine: MachineFacts;
}

const OWN_KEYS = SETTING_KEYS.filter((key) => rowOf(key).setByDev === true);
const OWN_VARIABLES = new Set(OWN_KEYS.map((key) => variableOf(rowOf(key))));

const PORT_MAX = 65_535;

/** Throws SettingError. */
export function planNodes(request: DevRequest): Settings[] {
  refuseHighPorts(request);
  const alone = Array.from({ length: request.nodes }, (_, at) => planNode(request, at));
  const seeds = alone.map(ownPeerAddress);
  return alone.map((settings) => ({ ...settings, seeds }));
}

/** All settings as variables: secrets do not belong on a command line, which every user of the machine can read. */
export function variablesOf(settings: Settings): Record<string, string> {
  return Object.fromEntries(
    SETTING_KEYS.map((key) => [variableOf(rowOf(key)), rowOf(key).kind.format(settings[key])]),
  );
}

/** By the option that is to be changed: `torc dev` has none for each port. */
function refuseHighPorts({ nodes, port }: DevRequest): void {
  const highest = PORT_MAX - PEER_PORT_DISTANCE - (nodes - 1);
  if (port <= highest) return;
  const last = port + nodes - 1 + PEER_PORT_DISTANCE;
  throw new SettingError(
    `--port: ${port} is too high for ${nodes} nodes: their peer ports end at ${last}; ${highest} is the highest.`,
  );
}

function nodeName(at: number): string {
  return `node-${at}`;
}

function planNode(request: DevRequest, at: number): Settings {
  const own = {
    id: nodeName(at),
    data: `${request.directory}/${nodeName(at)}`,
    'client-port': String(request.port + at),
    'memory-shared-by': String(request.nodes),
  };
  return loadSettings({
    flags: { ...request.flags, ...own },
    environment: sharedVariables(request.environment),
    file: sharedFile(request.file),
    machine: request.machine,
  });
}

function sharedVariables(environment: Environment): Environment {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !OWN_VARIABLES.has(name)));
}

/** People read the log of `torc dev`, unless the file says otherwise. */
function sharedFile(file: FileValues | null): FileValues {
  const values = new Map<SettingKey, string>([['logFormat', 'pretty'], ...(file?.values ?? [])]);
  for (const key of OWN_KEYS) values.delete(key);
  return { path: file?.path ?? 'the default of torc dev', values };
}
