/** The fields of a large hash as they were when the view began, whatever is written meanwhile; to be read in pieces. */
import type { KeyTable } from './key-table.ts';
import type { FieldVisitor, HashView, Ref } from './types.ts';

export class TableView implements HashView {
  private readonly keys: KeyTable;
  private readonly fields: Uint32Array;
  private isOpen = true;

  /** `entry`: a hash with a table. */
  constructor(keys: KeyTable, entry: Ref) {
    this.keys = keys;
    this.fields = keys.tables.beginView(keys.entries.valueLength(entry));
  }

  get length(): number {
    return this.fields.length;
  }

  get keptBytes(): number {
    return this.keys.tables.leftoverBytes;
  }

  visit(index: number, visitor: FieldVisitor): void {
    this.keys.tables.visit(this.fields[index], visitor);
  }

  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.keys.reclaimer.addFields(this.keys.tables.endView());
  }
}
