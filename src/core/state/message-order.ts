/**
 * Messages as an instance sees them: those that were due at a time (timers, scheduled signals) take their place when they
 * became visible, not when they were stored; everything else keeps its order.
 */
export function inOrder<M extends { readonly visibleAt: number }>(
  messages: readonly M[],
  isTimed: (message: M) => boolean,
): readonly M[] {
  const timed = messages.filter(isTimed);
  if (timed.length === 0) return messages;
  timed.sort((a, b) => a.visibleAt - b.visibleAt);
  const ordered: M[] = [];
  let next = 0;
  for (const message of messages) {
    if (isTimed(message)) continue;
    for (let due = timed[next]; due !== undefined && due.visibleAt <= message.visibleAt; due = timed[next]) {
      ordered.push(due);
      next += 1;
    }
    ordered.push(message);
  }
  return [...ordered, ...timed.slice(next)];
}
