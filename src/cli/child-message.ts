/** What a node tells the `torc dev` that started it, over the channel between their processes. */
export type ChildMessage =
  | { readonly kind: 'ready' }
  /** A StartupError: the one line for the person. */
  | { readonly kind: 'refused'; readonly message: string };

export function isChildMessage(value: unknown): value is ChildMessage {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return false;
  return value.kind === 'ready' || value.kind === 'refused';
}
