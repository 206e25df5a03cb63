/** Where the nodes of a cluster are asked by those that are not of it: not yet, or not any more. */
import type { Address, Env, MessageSocketHandler, Timer, Timers } from '../env/contracts.ts';
import { CLOSE_MALFORMED, CLOSE_NORMAL, type PeerPort, type PeerSession } from '../transport/peer-port.ts';
import { decodeJoinAnswer, decodeJoinRequest, encodeJoinAnswer, encodeJoinRequest } from './join-codec.ts';
import type { JoinDesk } from './join-desk.ts';
import type { NodeId, Topology } from './types.ts';

/** An inquiry that brings no answer for so long is broken off: its node may stand still. */
const INQUIRY_LIMIT_MS = 5_000;

/** What an inquiry brings. */
export interface Inquirer {
  /** A node of this cluster answers there. */
  met(node: NodeId, address: Address): void;
  told(topology: Topology): void;
}

interface Inquiry {
  readonly by: Inquirer;
  readonly limit: Timer;
}

export class JoinCounter {
  private readonly timers: Timers;
  private readonly port: PeerPort;
  /** One at a time. */
  private inquiry: Inquiry | null = null;

  constructor({ timers }: Pick<Env, 'timers'>, port: PeerPort) {
    this.timers = timers;
    this.port = port;
  }

  open(desk: JoinDesk): void {
    this.port.route('joining', {
      admit: ({ node, clusterId }) =>
        clusterId === null || clusterId === this.port.local.clusterId
          ? null
          : { reason: `node ${node} is of cluster ${clusterId} already` },
      opened: (session) => (session.dialed === null ? answering(session, desk) : this.ask(session)),
    });
  }

  inquire(address: Address, by: Inquirer): void {
    if (this.inquiry !== null) return;
    const dialing = this.port.dial(address, 'joining', null, () => this.done(inquiry));
    const limit = this.timers.after(INQUIRY_LIMIT_MS, () => {
      dialing.cancel();
      this.done(inquiry);
    });
    const inquiry: Inquiry = { by, limit };
    this.inquiry = inquiry;
  }

  private ask({ remote, socket }: PeerSession): MessageSocketHandler {
    const { inquiry } = this;
    if (inquiry === null) {
      socket.close(CLOSE_NORMAL, 'it took too long');
      return { onMessage() {}, onClose() {} };
    }
    const { node, clusterId, announced } = remote;
    if (clusterId === this.port.local.clusterId)
      inquiry.by.met(node, { host: announced.host, port: announced.peerPort });
    socket.send(encodeJoinRequest({ replaces: null }));
    const limit = this.timers.after(INQUIRY_LIMIT_MS, () => socket.terminate());
    return {
      onMessage: (bytes, start, end) => {
        const answer = decodeJoinAnswer(bytes.subarray(start, end));
        if (answer?.kind === 'told') inquiry.by.told(answer.topology);
        socket.close(CLOSE_NORMAL, 'it was told');
      },
      onClose: () => {
        limit.cancel();
        this.done(inquiry);
      },
    };
  }

  private done(inquiry: Inquiry): void {
    inquiry.limit.cancel();
    if (this.inquiry === inquiry) this.inquiry = null;
  }
}

function answering({ remote, socket }: PeerSession, desk: JoinDesk): MessageSocketHandler {
  return {
    onMessage: (bytes, start, end) => {
      const request = decodeJoinRequest(bytes.subarray(start, end));
      if (request === null) socket.close(CLOSE_MALFORMED, 'not a request to join');
      else socket.send(encodeJoinAnswer(desk.answer(remote, request)));
    },
    onClose: () => {},
  };
}
