import { describe, expect, it } from 'vitest';

import { ForwardWindow } from '../../src/server/forward-window.ts';
import { Request } from '../../src/server/request.ts';

describe('the window of forwarded requests', () => {
  it('does not grow while one of them is not answered for long', () => {
    const window = new ForwardWindow();
    const stuck = new Request();
    const number = window.add(stuck);
    const other = new Request();
    for (let i = 0; i < 100_000; i++) expect(window.take(window.add(other))).toBe(other);
    expect(window.take(number)).toBe(stuck);
    expect(window.size).toBe(256);
  });

  it('grows with those under way, and finds each by its number', () => {
    const window = new ForwardWindow();
    const requests = Array.from({ length: 5000 }, () => new Request());
    const numbers = requests.map((request) => window.add(request));
    expect(new Set(numbers).size).toBe(5000);
    expect(window.size).toBeLessThanOrEqual(16_384);
    const odd = new Set(requests.filter((_, i) => i % 2 === 1));
    window.remove((request) => odd.has(request));
    for (const [i, request] of requests.entries())
      expect(window.take(numbers[i])).toBe(odd.has(request) ? null : request);
    expect(window.take(numbers[0])).toBeNull();
  });
});
