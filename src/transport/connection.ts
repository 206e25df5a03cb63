import type { MessageSocket, MessageSocketHandler } from '../env/contracts.ts';
import { frameBytes, framePing, framePong, frameProblem, writeEmptyFrame, writeFrame } from './frame.ts';
import type { FrameBuilder, FrameHead } from './frame.ts';
import { FRAME_HEADER_BYTES } from './frame-layout.ts';
import { MalformedSectionError } from './malformed.ts';
import { CLOSE_MALFORMED } from './peer-port.ts';
import { Space } from './space.ts';
import type { SectionKind } from './types.ts';

/**
 * Frames of all connections are made in one place after the other, as long as the system takes each at once. One that it does not take keeps the
 * place; and those behind it, until all is taken, as well as larger ones, are made in places of their own.
 */
const WORKSPACE_BYTES = 64 * 1024;
let workspace = new Space(WORKSPACE_BYTES);

/** The newest round trip counts for an eighth, as in TCP. */
const ROUND_TRIP_WEIGHT = 1 / 8;

export interface ConnectionEvents {
  nowMs(): number;
  /** The sender's topology, for the head of each frame. */
  epoch(): { generation: number; epoch: number };
  /** `bytes[start, end)` is a whole frame. Throws a MalformedSectionError when a section cannot be read. */
  frame(bytes: Buffer, start: number, end: number): void;
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
  private readonly head: FrameHead = { generation: 0, epoch: 0, ping: 0, pong: 0 };
  private heardMs: number;
  /** Since `heardMs`, when that was last asked for. */
  private hasHeard = false;
  private lastPing = 0;
  private lastPingMs = 0;
  private pingDue = false;
  private pong = 0;

  constructor(socket: MessageSocket, events: ConnectionEvents) {
    this.socket = socket;
    this.events = events;
    this.heardMs = events.nowMs();
  }

  get bufferedBytes(): number {
    return this.socket.bufferedBytes;
  }

  /** How long nothing has come, as far as looking now and then can tell: the clock is not read for each frame. */
  silentMs(nowMs: number): number {
    if (this.hasHeard) this.heardNow(nowMs);
    return nowMs - this.heardMs;
  }

  /** Sends what was gathered. Returns its size. */
  sendFrame(builder: FrameBuilder): number {
    const { sizeBytes } = builder;
    const roomBytes = this.socket.roomBytes(sizeBytes);
    const space = this.spaceFor(roomBytes + sizeBytes);
    builder.moveTo(space, roomBytes, this.nextHead());
    this.send(space, roomBytes, sizeBytes);
    return sizeBytes;
  }

  /** Sends a section alone. Returns the frame's size. */
  sendSection(kind: SectionKind, body: Uint8Array): number {
    const sizeBytes = frameBytes(body.length);
    const roomBytes = this.socket.roomBytes(sizeBytes);
    const space = this.spaceFor(roomBytes + sizeBytes);
    writeFrame(space, roomBytes, kind, body, this.nextHead());
    this.send(space, roomBytes, sizeBytes);
    return sizeBytes;
  }

  /** The next frame asks for an echo. */
  askEcho(): void {
    this.pingDue = true;
  }

  /** Sends a frame of its own for an echo that is asked for or owed and went with no other. */
  sendEchoes(): void {
    if (!this.pingDue && this.pong === 0) return;
    const roomBytes = this.socket.roomBytes(FRAME_HEADER_BYTES);
    const space = this.spaceFor(roomBytes + FRAME_HEADER_BYTES);
    writeEmptyFrame(space, roomBytes, this.nextHead());
    this.send(space, roomBytes, FRAME_HEADER_BYTES);
  }

  /** This process stood still itself: silence until now says nothing about the peer. */
  forgiveSilence(): void {
    this.heardNow(this.events.nowMs());
  }

  close(code: number, reason: string): void {
    this.socket.close(code, reason);
  }

  terminate(): void {
    this.socket.terminate();
  }

  onMessage(bytes: Buffer, start: number, end: number): void {
    const problem = frameProblem(bytes, start, end);
    if (problem !== null) {
      this.refuse(problem);
      return;
    }
    this.hasHeard = true;
    this.takeEchoes(framePing(bytes, start), framePong(bytes, start));
    try {
      this.events.frame(bytes, start, end);
    } catch (error) {
      if (!(error instanceof MalformedSectionError)) throw error;
      this.refuse(error.message);
    }
  }

  onClose(code: number, reason: string): void {
    this.events.closed(code, reason);
  }

  private heardNow(nowMs: number): void {
    this.hasHeard = false;
    this.heardMs = nowMs;
  }

  private spaceFor(sizeBytes: number): Space {
    return sizeBytes <= WORKSPACE_BYTES && this.socket.bufferedBytes === 0 ? workspace : new Space(sizeBytes);
  }

  private send(space: Space, roomBytes: number, sizeBytes: number): void {
    const isTaken = this.socket.sendInPlace(space.part(0, roomBytes + sizeBytes), roomBytes);
    if (!isTaken && space === workspace) workspace = new Space(WORKSPACE_BYTES);
  }

  /** The head of the next frame, which must be sent now. It is made anew with each. */
  private nextHead(): FrameHead {
    const { head } = this;
    const { generation, epoch } = this.events.epoch();
    head.generation = generation;
    head.epoch = epoch;
    head.pong = this.pong;
    head.ping = this.pingDue ? this.nextPing() : 0;
    this.pong = 0;
    return head;
  }

  private nextPing(): number {
    this.pingDue = false;
    this.lastPing = this.lastPing >= 0xffff_ffff ? 1 : this.lastPing + 1;
    this.lastPingMs = this.events.nowMs();
    return this.lastPing;
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
    const roundTripMs = Math.max(0, this.events.nowMs() - this.lastPingMs);
    this.roundTripMs =
      this.roundTripMs === 0
        ? roundTripMs
        : this.roundTripMs + (roundTripMs - this.roundTripMs) * ROUND_TRIP_WEIGHT;
  }
}
