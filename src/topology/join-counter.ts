/** Where the nodes of a cluster are asked by those that are not of it: not yet, or not any more. */
import type { Address, MessageSocketHandler } from '../env/contracts.ts';
import { CLOSE_MALFORMED, CLOSE_NORMAL, type PeerPort, type PeerSession } from '../transport/peer-port.ts';
import { decodeJoinAnswer, decodeJoinRequest, encodeJoinAnswer, encodeJoinRequest } from './join-codec.ts';
import type { JoinDesk } from './join-desk.ts';
import type { Topology } from './types.ts';

export class JoinCounter {
  private readonly port: PeerPort;
  private told: ((topology: Topology) => void) | null = null;
  private isInquiring = false;

  constructor(port: PeerPort) {
    this.port = port;
  }

  open(desk: JoinDesk): void {
    this.port.route('joining', {
      admit: ({ node, clusterId }) =>
        clusterId === null || clusterId === this.port.local.clusterId
          ? null
          : { reason: `node ${node} is of cluster ${clusterId} already` },
      opened: (session) => (session.dialed ? this.ask(session) : answering(session, desk)),
    });
  }

  /** One at a time. */
  inquire(address: Address, told: (topology: Topology) => void): void {
    if (this.isInquiring) return;
    this.isInquiring = true;
    this.told = told;
    this.port.dial(address, 'joining', null, () => this.done());
  }

  private ask({ socket }: PeerSession): MessageSocketHandler {
    socket.send(encodeJoinRequest({ replaces: null }));
    return {
      onMessage: (bytes, start, end) => {
        const answer = decodeJoinAnswer(bytes.subarray(start, end));
        if (answer?.kind === 'told') this.told?.(answer.topology);
        socket.close(CLOSE_NORMAL, 'it was told');
      },
      onClose: () => this.done(),
    };
  }

  private done(): void {
    this.isInquiring = false;
    this.told = null;
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
