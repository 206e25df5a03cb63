/**
 * Writes over several slots of one connection that are not answered. Each may yet be parted (parting.ts), and then what the connection sent after it would
 * overtake a part of it: so that waits.
 */
import type { Span } from './request.ts';

export class OpenSpans {
  private readonly spans = new Set<Span>();

  get isEmpty(): boolean {
    return this.spans.size === 0;
  }

  open(span: Span): void {
    this.spans.add(span);
  }

  close(span: Span): void {
    this.spans.delete(span);
  }

  has(slot: number): boolean {
    if (this.isEmpty) return false;
    for (const { slots } of this.spans) if (slots.has(slot)) return true;
    return false;
  }
}
