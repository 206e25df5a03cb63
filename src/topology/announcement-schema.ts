/** What a node says of itself, as it comes from a file or another node. */
import { z } from 'zod';

const port = z.number().int().min(1).max(65_535);
const label = z.string().max(255);

export const announcementSchema = z.object({
  host: label.min(1),
  clientPort: port,
  redirectPort: port,
  peerPort: port,
  adminPort: port,
  zone: label,
  machine: label,
  weight: z.number().int().min(1).max(1_000_000),
});
