/** Input that the ring refuses: a weight out of range, an id given twice, a table of the wrong size. */
export class RingError extends Error {
  readonly code = 'RING_INPUT';

  constructor(message: string) {
    super(message);
    this.name = 'RingError';
  }
}
