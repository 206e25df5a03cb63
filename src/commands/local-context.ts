/** What the commands of a connection and of the node see of both. Filled in by src/server. */
import type { Args } from '../resp/args.ts';
import type { ReplyWriter } from '../resp/reply-writer.ts';

export interface LocalContext {
  args: Args;
  reply: ReplyWriter;
}
