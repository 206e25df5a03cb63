import type { Row } from './types.ts';
export async function scaleRows(): Promise<Row[]> {
  return [];
}
