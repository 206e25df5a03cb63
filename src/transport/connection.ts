import type { MessageSocket, MessageSocketHandler } from '../env/contracts.ts';
import { emptyFrame, framePing, framePong, frameProblem } from './frame.ts';
import type { FrameHead } from './frame.ts';
import { MalformedSectionError } from './malformed.ts';
import { CLOSE_MALFORMED } from './peer-port.ts';

/** The newest round trip counts for an eighth, as in TCP. */
const ROUND_TRIP_WEIGHT = 1 / 8;

export interface ConnectionEvents {
  nowMs(): number;
  /** The sender's topology, for the head of each frame. */
  epoch(): { generation: number; epoch: number };
  /** A whole frame. Throws a MalformedSectionError when a section cannot be read. */
  frame(bytes: Buffer): void;
  /** An echo is owed: it goes with the next frame, or alone at the end of the turn. */
  echoOwed(): void;
  malformed(problem: string): void;
  closed(code: number, reason: string): void;
}

/** A socket past its handshake: frames, with echoes that measure the round trip and show that the peer is alive. */
export class Connection implements MessageSocketHandler {
  roundTripMs = 0;
  private readonly socket: MessageSocket;
  private readonly events: ConnectionEvents;
  private lastHeard: number;
  private lastPing = 0;
  private lastPingMs = 0;
  private pingDue = false;
  private pong = 0;

  constructor(socket: MessageSocket, events: ConnectionEvents) {
    this.socket = socket;
    this.events = events;
    this.lastHeard = events.nowMs();
  }

  get bufferedBytes(): number {
    return this.socket.bufferedBytes;
  }

  get lastHeardMs(): number {
    return this.lastHeard;
  }

  /** The head of the next frame, which must be sent now. */
  nextHead(): FrameHead {
    const { generation, epoch } = this.events.epoch();
    const head = { generation, epoch, ping: 0, pong: this.pong };
    this.pong = 0;
    if (this.pingDue) {
      this.pingDue = false;
      this.lastPing = this.lastPing >= 0xffff_ffff ? 1 : this.lastPing + 1;
      this.lastPingMs = this.events.nowMs();
      head.ping = this.lastPing;
    }
    return head;
  }

  send(frame: Buffer): void {
    this.socket.send(frame);
  }

  /** The next frame asks for an echo. */
  askEcho(): void {
    this.pingDue = true;
  }

  /** Sends a frame of its own for an echo that is asked for or owed and went with no other. */
  sendEchoes(): void {
    if (this.pingDue || this.pong !== 0) this.socket.send(emptyFrame(this.nextHead()));
  }

  /** This process stood still itself: silence until now says nothing about the peer. */
  forgiveSilence(): void {
    this.lastHeard = this.events.nowMs();
  }

  close(code: number, reason: string): void {
    this.socket.close(code, reason);
  }

  terminate(): void {
    this.socket.terminate();
  }

  onMessage(bytes: Buffer): void {
    const problem = frameProblem(bytes);
    if (problem !== null) {
      this.refuse(problem);
      return;
    }
    this.lastHeard = this.events.nowMs();
    this.takeEchoes(framePing(bytes), framePong(bytes));
    try {
      this.events.frame(bytes);
    } catch (error) {
      if (!(error instanceof MalformedSectionError)) throw error;
      this.refuse(error.message);
    }
  }

  onClose(code: number, reason: string): void {
    this.events.closed(code, reason);
  }

  private refuse(problem: string): void {
    this.socket.close(CLOSE_MALFORMED, problem);
    this.events.malformed(problem);
  }

  private takeEchoes(ping: number, pong: number): void {
    if (ping !== 0) {
      this.pong = ping;
      this.events.echoOwed();
    }
    if (pong === 0 || pong !== this.lastPing) return;
    const roundTripMs = Math.max(0, this.lastHeard - this.lastPingMs);
    this.roundTripMs =
      this.roundTripMs === 0
        ? roundTripMs
        : this.roundTripMs + (roundTripMs - this.roundTripMs) * ROUND_TRIP_WEIGHT;
  }
}
