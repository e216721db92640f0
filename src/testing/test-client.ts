import type { OrchestrationClient, WaitOptions } from '../client/client.ts';
import type { OrchestrationInstance } from '../model/instance.ts';

/** What a test's client does otherwise than the client behind it. */
export interface ClientConduct {
  /** Makes a call when everything before it has come to rest, and answers when everything has again. */
  operate<T>(call: () => Promise<T>): Promise<T>;
  waitForCompletion(instanceId: string, options?: WaitOptions): Promise<OrchestrationInstance | undefined>;
}

/** The verbs on orchestrations, in an environment. Whatever verb the client gets later goes the same way. */
export function openTestClient(client: OrchestrationClient, conduct: ClientConduct): OrchestrationClient {
  return new Proxy(client, {
    get: (target, name): unknown => {
      if (name === 'waitForCompletion') {
        return (instanceId: string, options?: WaitOptions) => conduct.waitForCompletion(instanceId, options);
      }
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      return (...args: readonly unknown[]): Promise<unknown> =>
        conduct.operate(async () => {
          const answer: unknown = await Reflect.apply(member, target, args);
          return answer;
        });
    },
  });
}
