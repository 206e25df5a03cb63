/** Long replies on their way between two nodes: in pieces, a few of them each turn, so that others' replies pass between them. */

/** Below LARGE_REPLY_BYTES: pieces keep their order because none travels as a parcel. */
const PIECE_MAX_BYTES = 128 * 1024;
/** So much goes to a peer in a turn, while no more than that much waits to be taken by the system. */
const PIECES_PER_TURN_BYTES = 256 * 1024;
const PIECES_QUEUED_BYTES = 1024 * 1024;

const NOTHING = Buffer.alloc(0);

interface Outgoing {
  connection: number;
  correlation: number;
  pieces: readonly Buffer[];
  /** The piece that is next, and where in it. */
  piece: number;
  at: number;
}

export interface PieceSender {
  readonly queuedBytes: number;
  sendPiece(connection: number, correlation: number, isLast: boolean, bytes: Buffer): void;
}

export class OutgoingReplies {
  private queue: Outgoing[] = [];
  /** Of all that are queued; for those that are on their way, as a whole. */
  queuedBytes = 0;

  get isEmpty(): boolean {
    return this.queue.length === 0;
  }

  clear(): void {
    this.queue = [];
    this.queuedBytes = 0;
  }

  add(connection: number, correlation: number, pieces: readonly Buffer[]): void {
    this.queue.push({ connection, correlation, pieces, piece: 0, at: 0 });
    this.queuedBytes += sizeOf(pieces);
  }

  /** Sends what fits into a turn, in the order of the requests; false when the peer has to take some of it first. */
  pump(sender: PieceSender): boolean {
    let left = PIECES_PER_TURN_BYTES;
    while (this.queue.length > 0 && left > 0) {
      if (sender.queuedBytes >= PIECES_QUEUED_BYTES) return false;
      left -= this.sendNext(this.queue[0], sender);
    }
    return true;
  }

  /** Says to those who wait that their replies are on the way. */
  tell(sender: PieceSender): void {
    for (const { connection, correlation } of this.queue)
      sender.sendPiece(connection, correlation, false, NOTHING);
  }

  private sendNext(reply: Outgoing, sender: PieceSender): number {
    const { connection, correlation, pieces } = reply;
    const piece = pieces[reply.piece];
    const end = Math.min(piece.length, reply.at + PIECE_MAX_BYTES);
    const bytes = piece.subarray(reply.at, end);
    reply.at = end;
    if (end === piece.length) {
      reply.piece += 1;
      reply.at = 0;
    }
    const isLast = reply.piece === pieces.length;
    if (isLast) {
      this.queue.shift();
      this.queuedBytes -= sizeOf(pieces);
    }
    sender.sendPiece(connection, correlation, isLast, bytes);
    return bytes.length;
  }
}

/** Pieces that have come, by correlation. */
export class IncomingReplies {
  private readonly pieces = new Map<number, Buffer[]>();

  clear(): void {
    this.pieces.clear();
  }

  add(correlation: number, piece: Buffer): void {
    const pieces = this.pieces.get(correlation);
    // A copy: the frame is another's soon.
    if (pieces === undefined) this.pieces.set(correlation, [Buffer.from(piece)]);
    else pieces.push(Buffer.from(piece));
  }

  /** What came before the last one; null when the reply is not a long one. */
  take(correlation: number): Buffer[] | null {
    if (this.pieces.size === 0) return null;
    const pieces = this.pieces.get(correlation) ?? null;
    this.pieces.delete(correlation);
    return pieces;
  }
}

export function sizeOf(pieces: readonly Buffer[]): number {
  return pieces.reduce((sum, piece) => sum + piece.length, 0);
}
