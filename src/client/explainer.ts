import type { AwaitedEvent, AskedBy, Explanation, ExplanationFacts } from '../model/explanation.ts';
import type { HistoryEvent } from '../model/history.ts';
import type { OrchestrationInstance } from '../model/instance.ts';

/** What a client needs to say why an instance does not move. */
export interface Explainer {
  explain(facts: ExplanationFacts): Explanation;
  /** Which events its code waits for; `undefined` when the code is not here. Absent: no code is. */
  readonly awaitedEvents?: (
    instance: OrchestrationInstance,
    history: readonly HistoryEvent[],
  ) => Promise<readonly AwaitedEvent[] | undefined>;
  /** Who did this to the instance last. Absent: nothing is recorded. */
  readonly findWhoAsked?: (request: {
    readonly taskHub: string;
    readonly instanceId: string;
    readonly action: 'suspend' | 'terminate';
  }) => Promise<AskedBy | undefined>;
}
