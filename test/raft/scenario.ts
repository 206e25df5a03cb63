import type { Message } from '../../src/raft/types.ts';
import { describeMembership, describeMessage } from '../sim/raft/describe-message.ts';
import { append } from './messages.ts';
import { Rig, entriesOf, restoredWith } from './rig.ts';

/** A step of a scenario script: a command, and what it prints. */
export interface Block {
  comment: string;
  command: string;
  expected: string;
}

/** Comment lines, a command line, `----`, the expected output up to an empty line. */
export function parseScenario(text: string): Block[] {
  return text
    .split(/\n\n+/)
    .map((part) => part.replace(/\n+$/, ''))
    .filter((part) => part !== '')
    .map((part) => {
      const lines = part.split('\n');
      const comment = lines.filter((line) => line.startsWith('#')).join('\n');
      const rest = lines.slice(comment === '' ? 0 : comment.split('\n').length);
      const bar = rest.indexOf('----');
      return {
        comment,
        command: (bar === -1 ? rest : rest.slice(0, bar)).join('\n'),
        expected: bar === -1 ? '' : rest.slice(bar + 1).join('\n'),
      };
    });
}

export function formatScenario(blocks: readonly Block[]): string {
  const parts = blocks.map(({ comment, command, expected }) => {
    if (command === '') return comment;
    return [comment, command, '----', expected].filter((line, i) => i > 0 || line !== '').join('\n');
  });
  return `${parts.join('\n\n')}\n`;
}

const SESSIONS = 1000;

/** Members, the messages between them, and commands that move one thing at a time. Time moves only when told. */
export class Scenario {
  private readonly rigs = new Map<number, Rig>();
  private queue: Message[] = [];
  private cut = new Set<string>();
  private roles = new Map<number, string>();
  private memberships = new Map<number, string>();
  private lines: string[] = [];

  /** Runs one command; returns what it prints. */
  run(command: string): string {
    this.lines = [];
    const [name, ...args] = command.split(' ');
    const handler = this.commands[name];
    if (handler === undefined) throw new Error(`no such command: ${name}`);
    handler(args);
    this.collect();
    return this.lines.length === 0 ? 'ok' : this.lines.join('\n');
  }

  private readonly commands: Record<string, (args: string[]) => void> = {
    'add-nodes': ([count, ...options]) => this.addNodes(Number(count), options),
    'add-node': ([id, ...options]) => this.addNode(Number(id), options),
    /** Time goes on to the member's election timeout, and it alone notices. */
    campaign: ([id]) => {
      const rig = this.rig(id);
      this.advance(Math.max(0, rig.core.nextDeadlineMs() - rig.nowMs));
      rig.tick();
    },
    advance: ([ms]) => this.advance(Number(ms)),
    tick: ([id]) => this.rig(id).tick(),
    propose: ([id, ...words]) => {
      const outcome = this.rig(id).propose(words.join(' '));
      if (outcome !== 'proposed') this.lines.push(`${id} refuses: ${outcome}`);
    },
    /** `voters=1,2`, `learners=3`: what the leader is to lead the group to. */
    change: ([id, ...options]) => {
      const values = valuesOf(options);
      const outcome = this.rig(id).change({
        voters: numbersOf(values.get('voters')),
        learners: numbersOf(values.get('learners')),
      });
      if (outcome !== 'proposed') this.lines.push(`${id} refuses: ${outcome}`);
    },
    membership: (ids) => {
      for (const id of ids) {
        const { committedMembership, membership } = this.rig(id).core;
        const committed = describeMembership(committedMembership.membership);
        const inForce = describeMembership(membership);
        const news = committed === inForce ? '' : `, in force ${inForce}`;
        this.lines.push(`${id} committed ${committed} at ${committedMembership.index}${news}`);
      }
    },
    /** The wall clock of one member goes on, or back, by so much. */
    'jump-wall': ([id, ms]) => {
      this.rig(id).wallOffsetMs += Number(ms);
    },
    /** The time of one member alone goes on. */
    'advance-one': ([id, ms]) => {
      this.rig(id).nowMs += Number(ms);
    },
    read: ([id]) => this.lines.push(`${id} asks read ${this.rig(id).read()}`),
    transfer: ([id, to]) =>
      this.lines.push(`${id} ${this.rig(id).transfer(Number(to)) ? 'accepts' : 'refuses'}`),
    deliver: ([link, count]) => this.deliver(link, count === undefined ? Infinity : Number(count)),
    /** An append made by hand, of a leader that is not there: `from=`, `term=`, `prev=index/term`, `log=` its entries' terms. */
    'hand-append': ([id, ...options]) => this.handAppend(Number(id), options),
    drop: ([link]) => this.take(link, Infinity, (message) => this.lines.push(`lost: ${arrow(message)}`)),
    duplicate: ([link]) => {
      this.queue.push(...this.queue.filter((message) => isOn(message, link)));
    },
    cut: (links) => {
      for (const link of links) this.cut.add(link);
    },
    heal: () => this.cut.clear(),
    stabilize: (ids) => this.stabilize(ids),
    'slow-disk': ([id]) => {
      this.rig(id).isDiskFast = false;
    },
    'fast-disk': ([id]) => {
      const rig = this.rig(id);
      rig.isDiskFast = true;
      rig.persist();
    },
    persist: ([id]) => this.rig(id).persist(),
    restart: ([id]) => {
      this.rig(id).restart();
    },
    snapshot: ([id]) => {
      const { index, term } = this.rig(id).snapshot();
      this.lines.push(`${id} snapshots ${index}/${term}`);
    },
    lease: ([id]) => {
      const rig = this.rig(id);
      const until = rig.core.leaseUntilMonotonicMs;
      this.lines.push(rig.hasLease() ? `${id} holds a lease until ${until} ms` : `${id} holds no lease`);
    },
    progress: ([id]) => {
      for (const p of this.rig(id).core.progress()) {
        this.lines.push(`${p.member} ${p.state} match ${p.match} next ${p.next}`);
      }
    },
    log: (ids) => {
      const rigs = ids.length === 0 ? [...this.rigs.values()] : ids.map((id) => this.rig(id));
      for (const { self, core, disk } of rigs) {
        const terms = disk.recover().entries.map((entry) => `${entry.index}/${entry.term}`);
        const held = `${core.firstIndex} to ${core.lastIndex}`;
        this.lines.push(
          `${self} commit ${core.commitIndex}, in memory ${held}, on disk ${terms.join(' ') || 'none'}`,
        );
      }
    },
  };

  private addNodes(count: number, options: string[]): void {
    for (let id = 1; id <= count; id++) this.addNode(id, [`of=${count}`, ...options]);
  }

  /**
   * `log=1,1,2`: the terms of its log; `term=`, `vote=`, `commit=`: its hard state; `home=`: the preferred leader; `spread=`: of elections, and
   * `arrears=`: of whom no commit waits for, in ms;
   * `of=`: so many voters; `blank`: it opens empty; `chunk=`: bytes of a snapshot's chunks; `sessions`: each progress session is another. Once more
   * the same id: with a new disk.
   */
  private addNode(id: number, options: string[]): void {
    const values = valuesOf(options);
    const terms = numbersOf(values.get('log'));
    let draws = 0;
    const number = (name: string, fallback: number) => Number(values.get(name) ?? fallback);
    const rig = new Rig(
      {
        self: id,
        voters: values.has('blank') ? [] : Array.from({ length: number('of', 3) }, (_, i) => i + 1),
        ...(values.has('sessions') ? { random: () => (draws++ % SESSIONS) / SESSIONS } : {}),
        preferredLeader: number('home', 0),
        electionSpreadMs: number('spread', 0),
        arrearsMs: number('arrears', 0),
        maxEntriesPerMessage: number('batch', 64),
        ...(values.has('chunk') ? { maxSnapshotChunkBytes: number('chunk', 0) } : {}),
        startMs: Math.max(0, ...[...this.rigs.values()].map(({ nowMs }) => nowMs)),
      },
      restoredWith(terms, number('term', terms.at(-1) ?? 0), number('vote', 0), number('commit', 0)),
    );
    this.rigs.set(id, rig);
    this.roles.delete(id);
    this.memberships.set(id, describeMembership(rig.core.membership));
  }

  private handAppend(to: number, options: string[]): void {
    const values = valuesOf(options);
    const [prevIndex, prevTerm] = (values.get('prev') ?? '0/0').split('/').map(Number);
    const terms = numbersOf(values.get('log'));
    this.hand(
      append({
        to,
        from: Number(values.get('from')),
        term: Number(values.get('term')),
        prevIndex,
        prevTerm,
        entries: entriesOf(terms, prevIndex + 1),
      }),
    );
  }

  private rig(id: string): Rig {
    const rig = this.rigs.get(Number(id));
    if (rig === undefined) throw new Error(`no member ${id}`);
    return rig;
  }

  private advance(ms: number): void {
    for (const rig of this.rigs.values()) rig.nowMs += ms;
    this.lines.push(`time is ${[...this.rigs.values()][0].nowMs} ms`);
  }

  private deliver(link: string, count: number): void {
    this.take(link, count, (message) => this.hand(message));
  }

  private take(link: string, count: number, run: (message: Message) => void): void {
    const taken = this.queue.filter((message) => isOn(message, link)).slice(0, count);
    this.queue = this.queue.filter((message) => !taken.includes(message));
    if (taken.length === 0) this.lines.push(`nothing on ${link}`);
    for (const message of taken) run(message);
  }

  private hand(message: Message): void {
    this.lines.push(arrow(message));
    this.rig(String(message.to)).step(message);
    this.collect();
  }

  /** Delivers all that is under way among the members named (all, when none is), until nothing is. Links that are cut lose it. */
  private stabilize(ids: string[]): void {
    const among = ids.length === 0 ? [...this.rigs.keys()] : ids.map(Number);
    for (let i = 0; i < 1000; i++) {
      const at = this.queue.findIndex(({ from, to }) => among.includes(from) && among.includes(to));
      if (at === -1) return;
      const [message] = this.queue.splice(at, 1);
      if (this.cut.has(`${message.from}->${message.to}`)) this.lines.push(`lost: ${arrow(message)}`);
      else this.hand(message);
    }
    throw new Error('the members do not come to rest');
  }

  /** Gathers what the members did since the last call. */
  private collect(): void {
    for (const rig of this.rigs.values()) {
      const { core, self } = rig;
      const role = `${core.role} in term ${core.term}`;
      if ((this.roles.get(self) ?? 'follower in term 0') !== role) this.lines.push(`  ${self} is ${role}`);
      this.roles.set(self, role);
      const membership = describeMembership(core.membership);
      if (this.memberships.get(self) !== membership) this.lines.push(`  ${self} goes by ${membership}`);
      this.memberships.set(self, membership);
      for (const note of rig.notes.splice(0)) this.lines.push(`  ${note}`);
      this.queue.push(...rig.takeSent());
    }
  }
}

function valuesOf(options: readonly string[]): Map<string, string> {
  return new Map(options.map((option) => option.split('=') as [string, string]));
}

function numbersOf(list = ''): number[] {
  return list.split(',').filter(Boolean).map(Number);
}

function isOn({ from, to }: Message, link: string): boolean {
  return link === `${from}->${to}`;
}

function arrow(message: Message): string {
  return `${message.from}->${message.to} ${describeMessage(message)}`;
}
