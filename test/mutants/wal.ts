import type { Mutant } from './mutant.ts';

const DAMAGE = ['test/wal/damage.test.ts'];
const CRASH = ['test/wal/crash.test.ts'];

/** Rules of the log on disk (design, section 4; histories 8 and 20). */
export const WAL_MUTANTS: readonly Mutant[] = [
  {
    rule: 'a snapshot is synced before it counts',
    file: 'src/wal/snapshot-writer.ts',
    find: '    await syncOf(this.#file);\n    await this.#file.close();',
    put: '    await this.#file.close();',
    tests: CRASH,
  },
  {
    rule: 'history 8: what recovery read past the mark is written anew',
    file: 'src/wal/open.ts',
    find: '      await rewrite(segment.file, from, to);\n',
    put: '',
    tests: DAMAGE,
  },
  {
    rule: 'history 8: what recovery read past the mark is synced before it counts',
    file: 'src/wal/open.ts',
    find: '      await syncOf(segment.file);\n',
    put: '',
    tests: DAMAGE,
  },
  {
    rule: 'history 20: a record lies where it says',
    file: 'src/wal/recovery.ts',
    find: 'if (header === null || header.position !== segment.base + offset) break;',
    put: 'if (header === null) break;',
    tests: DAMAGE,
  },
  {
    rule: 'history 20: a record of an earlier start than the one before it does not exist',
    file: 'src/wal/recovery.ts',
    find: 'if (header.start < this.#lastStart || !this.#apply',
    put: 'if (!this.#apply',
    tests: DAMAGE,
  },
  {
    rule: 'history 20: recovery scans past a bad record for the highest mark',
    file: 'src/wal/recovery.ts',
    find: '      if (header.mark > this.#mark) this.#mark = header.mark;\n      this.#tornEnd',
    put: '      this.#tornEnd',
    tests: DAMAGE,
  },
  {
    rule: 'what is not an entry has a checksum of its own',
    file: 'src/wal/recovery.ts',
    find: 'if (crc32(payload) !== header.payloadChecksum) return false;',
    put: '',
    tests: DAMAGE,
  },
  {
    rule: 'an entry is the one that its record was written for',
    file: 'src/wal/recovery.ts',
    find: 'entry === null || entryChecksum(entry) !== header.payloadChecksum',
    put: 'entry === null',
    tests: DAMAGE,
  },
  {
    rule: 'a file of the log goes on where the one before ended',
    file: 'src/wal/recovery.ts',
    find: 'header.previousEnd === this.#end && ',
    put: '',
    tests: DAMAGE,
  },
  {
    rule: 'no file goes on with a log that has ended',
    file: 'src/wal/recovery.ts',
    find: 'if (this.#ended || header.sequence',
    put: 'if (header.sequence',
    tests: DAMAGE,
  },
  {
    rule: 'nobody knows how far the first batch of the last file came: it says nothing again that older ones are not needed for',
    file: 'src/wal/recovery.ts',
    find: '      restatedEnd: Infinity,',
    put: '      restatedEnd: 0,',
    tests: DAMAGE,
  },
  {
    rule: 'an old file is needed until what a later one says again is synced',
    file: 'src/wal/segment-files.ts',
    find: 'segment !== oldest && segment.restatedEnd <= this.#mark',
    put: 'segment !== oldest',
    tests: DAMAGE,
  },
];
