/**
 * The promise, tried on copies of one directory: damaged anywhere, it is refused with the file, the offset and the remedy, or it comes up with
 * exactly the data that it had. After kill -9 the log may also end earlier, but not below its highest mark.
 */
import { existsSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Env } from '../../src/env/contracts.ts';
import { systemEnv } from '../../src/env/system.ts';
import { inflict, filesOf, type Damage, type DamagedFile } from './damage.ts';
import { makeDirectory, SEGMENT_BYTES } from './directory.ts';
import { cutAt, placesOf, type LogPlaces } from './marks.ts';
import { recover, type Recovered } from './recovered.ts';

/** The file system in memory spares the disk some ten thousand syncs; what is read from it is the same. */
const MEMORY = '/dev/shm';
const HANG_MS = 20_000;

export type Outcome = 'refused' | 'same' | 'cut';

export class Trial {
  readonly stop: 'clean' | 'kill';
  files: readonly DamagedFile[] = [];
  private readonly env: Env = systemEnv();
  private readonly root: string;
  private state = '';
  private places: LogPlaces = { mark: 0, cuts: [] };
  /** By the position of the cut. */
  private readonly cutStates = new Map<number, string>();
  private copies = 0;

  private constructor(root: string, stop: 'clean' | 'kill') {
    this.root = root;
    this.stop = stop;
  }

  static async begin(stop: 'clean' | 'kill', seed: number): Promise<Trial> {
    const trial = new Trial(
      await mkdtemp(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'torc-damage-')),
      stop,
    );
    await makeDirectory(trial.env, trial.original, stop, seed);
    trial.files = await filesOf(trial.original);
    trial.places = await placesOf(trial.original);
    trial.state = await trial.stateWith(() => Promise.resolve());
    return trial;
  }

  end(): Promise<void> {
    return rm(this.root, { recursive: true });
  }

  /** Rejects when the promise is broken. */
  async run(damage: Damage): Promise<Outcome> {
    const copy = await this.copy();
    try {
      await inflict(copy, damage);
      const damaged = losesMarks(damage) ? await placesOf(copy) : this.places;
      const outcome = await this.judge(await this.recovered(copy), copy, damage, damaged.mark);
      return outcome;
    } catch (error) {
      const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
      throw new Error(`${this.stop}: ${JSON.stringify(damage)}: ${what}`, { cause: error });
    } finally {
      await rm(copy, { recursive: true });
    }
  }

  private async judge(
    recovered: Recovered,
    directory: string,
    damage: Damage,
    mark: number,
  ): Promise<Outcome> {
    if (recovered.kind === 'refused') {
      checkRefusal(recovered.message, directory, damage);
      return 'refused';
    }
    if (recovered.state === this.state) return 'same';
    if (this.stop === 'clean') throw new Error(`came up with other data:\n${recovered.state}\n${this.state}`);
    for (const cut of this.places.cuts) {
      if (cut >= mark && (await this.stateAt(cut)) === recovered.state) return 'cut';
    }
    throw new Error(
      `came up with data that ends below the mark ${mark}, or with other data:\n${recovered.state}\n${this.state}`,
    );
  }

  private async stateAt(cut: number): Promise<string> {
    let state = this.cutStates.get(cut);
    if (state === undefined) {
      state = await this.stateWith((copy) => cutAt(copy, cut));
      this.cutStates.set(cut, state);
    }
    return state;
  }

  private async stateWith(change: (copy: string) => Promise<void>): Promise<string> {
    const copy = await this.copy();
    await change(copy);
    const recovered = await this.recovered(copy);
    await rm(copy, { recursive: true });
    if (recovered.kind === 'refused')
      throw new Error(`an undamaged directory is refused: ${recovered.message}`);
    return recovered.state;
  }

  private async recovered(directory: string): Promise<Recovered> {
    let timer: NodeJS.Timeout | undefined;
    const hang = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('it hangs')), HANG_MS);
    });
    try {
      return await Promise.race([recover(this.env, directory), hang]);
    } finally {
      clearTimeout(timer);
    }
  }

  get original(): string {
    return join(this.root, 'original');
  }

  private async copy(): Promise<string> {
    this.copies += 1;
    const copy = join(this.root, `copy-${this.copies}`);
    await cp(this.original, copy, { recursive: true });
    return copy;
  }
}

/** A tail that is gone tells nothing of its marks: zeros, or what the last file had outgrown its size by. */
function losesMarks(damage: Damage): boolean {
  return damage.kind === 'zero' || (damage.kind === 'truncate' && damage.sizeBytes >= SEGMENT_BYTES);
}

/** A flipped bit of the log lies in what begins at the offset that is named. */
function namesPlace(message: string, directory: string, damage: Damage): boolean {
  if (damage.kind !== 'flip' || !damage.path.endsWith('.wal')) return true;
  const named = /^(\S+) is damaged at offset (\d+): /.exec(message);
  return named?.[1] === join(directory, damage.path) && Number(named[2]) <= damage.offset;
}

function checkRefusal(message: string, directory: string, damage: Damage): void {
  const problems = [
    message.includes(`${directory}/`) ? '' : 'names no file',
    damage.kind === 'delete' || /\boffset \d+/.test(message) ? '' : 'names no offset',
    message.includes('torc repair --discard-replica') ? '' : 'names no remedy',
    namesPlace(message, directory, damage) ? '' : 'names another place',
    message.includes('\n') ? 'is more than one line' : '',
  ].filter((problem) => problem !== '');
  if (problems.length > 0) throw new Error(`the refusal ${problems.join(', ')}: ${message}`);
}
