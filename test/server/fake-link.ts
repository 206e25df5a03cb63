import { SectionBuffer } from '../../src/transport/section-buffer.ts';
import type { SectionKind, SectionWriter } from '../../src/transport/types.ts';

export const NODE = 'b'.repeat(40);

/** One end of a link: what is written into its sections is kept. */
export class FakeLink {
  readonly node = NODE;
  connected = true;
  connection = 1;
  peerStart = 3;
  unsentBytes = 0;
  queuedBytes = 0;
  private readonly sections = new Map<SectionKind, SectionBuffer>();

  section(kind: SectionKind): SectionWriter {
    let section = this.sections.get(kind);
    if (section === undefined) this.sections.set(kind, (section = new SectionBuffer()));
    return section;
  }

  take(kind: SectionKind): Buffer {
    const section = this.sections.get(kind) ?? new SectionBuffer();
    const bytes = Buffer.alloc(section.sizeBytes);
    section.moveTo(bytes, 0);
    return bytes;
  }
}
