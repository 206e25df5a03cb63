import type { Operation } from './history.ts';
import type { Model, State } from './model.ts';

/**
 * Linearizability by its definition: some order of all answered operations and any of the unknown ones respects real time and gives
 * every reply. Tries all orders; for one key and a handful of operations.
 */
export function isLinearizableByDefinition(history: readonly Operation[], model: Model): boolean {
  const answered = history.filter(({ outcome }) => outcome.kind === 'answered');
  const unknown = history.filter(({ outcome }) => outcome.kind === 'unknown');
  for (const effective of subsets(unknown)) {
    for (const order of permutations([...answered, ...effective])) {
      if (respectsTime(order) && explainsReplies(order, model)) return true;
    }
  }
  return false;
}

function respectsTime(order: readonly Operation[]): boolean {
  return order.every((later, position) =>
    order.slice(0, position).every((earlier) => {
      const { outcome } = later;
      return outcome.kind !== 'answered' || outcome.returnMs >= earlier.callMs;
    }),
  );
}

function explainsReplies(order: readonly Operation[], model: Model): boolean {
  let state: State = null;
  for (const { command, args, outcome } of order) {
    const applied = model.apply(state, command, args);
    if (outcome.kind === 'answered' && JSON.stringify(applied.reply) !== JSON.stringify(outcome.reply))
      return false;
    state = applied.state;
  }
  return true;
}

function* subsets<T>(items: readonly T[]): Generator<T[]> {
  for (let bits = 0; bits < 2 ** items.length; bits++) yield items.filter((_, index) => bits & (1 << index));
}

function* permutations<T>(items: readonly T[]): Generator<T[]> {
  if (items.length === 0) yield [];
  for (const [index, item] of items.entries()) {
    for (const rest of permutations(items.toSpliced(index, 1))) yield [item, ...rest];
  }
}
