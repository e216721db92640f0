/** The client verbs, over HTTP. */
import { checkPage, checkReason, isImpossible, notFound, notRewindable, refuse } from '../client/arguments.ts';
import type {
  DurableClient,
  GetStatusOptions,
  HttpManagementPayload,
  OrchestrationReference,
  StartOptions,
  TextStart,
  WaitOptions,
} from '../client/client.ts';
import { bulkOperations, type BulkOperation, type BulkOptions, type BulkOutcome } from '../client/listing-client.ts';
import { toTextEvent, toTextStart } from '../client/to-text.ts';
import { checkStatusText, defaultConnection, type LinkScope, managementPayload, statusUri } from '../http/links.ts';
import { hasEnded, presentOutput, presentStatus } from '../http/present.ts';
import { DurableError } from '../model/errors.ts';
import {
  eventNameProblem,
  type InstanceCounts,
  type InstanceFilter,
  instanceIdProblem,
  type InstancePage,
  runtimeStatuses,
} from '../model/instance.ts';
import type { Explanation } from '../model/explanation.ts';
import type { OrchestrationInstance } from '../model/instance.ts';
import type { EventDefinition } from '../model/events.ts';
import { type OrchestrationHistory, toOrchestrationHistory } from '../model/orchestration-history.ts';
import { type Answer, expectDone, isMissing, type Meaning, readJson } from './answers.ts';
import { HttpEntityClient } from './http-entity-client.ts';
import { filterParameters, startParameters, tokenOf } from './parameters.ts';
import { readCount, readExplanation, readInstance, readList, readObject, readText } from './stored.ts';
import { pause, segment, type Transport } from './transport.ts';

/** The client of a service elsewhere: all verbs, and answers with links to that service. */
export type HttpClient = Omit<DurableClient, 'createSignedManagementPayload'>;

const defaultWaitMs = 10_000;
/** A wait is asked for in parts: what is in between cuts requests that say nothing for a minute. */
const longestWaitMs = 20_000;
/** What acts on many, or counts them, may take so much longer than other calls. */
const extraForManyMs = 300_000;
const firstPollMs = 20;
const longestPollMs = 500;
const longAgo = '0001-01-01T00:00:00Z';
const shown = { input: true, history: false, historyOutput: false };

export class FetchClient extends HttpEntityClient implements HttpClient {
  /** Empty: the default one of the service. */
  readonly taskHub: string;
  readonly #transport: Transport;

  constructor(transport: Transport) {
    super(transport);
    this.taskHub = transport.taskHub ?? '';
    this.#transport = transport;
  }

  async startNew<Input>(
    orchestration: OrchestrationReference<Input>,
    options: StartOptions<Input> = {},
  ): Promise<string> {
    return this.startNewText(toTextStart(orchestration, options));
  }

  async startNewText(start: TextStart): Promise<string> {
    const { name, input, instanceId: given } = start;
    if (typeof name !== 'string' || name.length === 0) {
      throw new DurableError('InvalidArgument', 'The name of the orchestration must be a text that is not empty.');
    }
    const isFresh = given === undefined || given.trim() === '';
    const instanceId = isFresh ? crypto.randomUUID().replaceAll('-', '') : given;
    refuse(instanceIdProblem(instanceId));
    const answer = await this.#transport.send({
      method: 'POST',
      path: `/orchestrators/${segment(name, 'The name of an orchestration')}/${segment(instanceId, 'An instance id')}`,
      query: startParameters(start),
      body: input,
      // Nobody else has a fresh id, so one that is taken was taken by this very start.
      repeatable: isFresh || start.onExisting === 'return',
    });
    if (isFresh && answer.status === 409 && answer.attempt > 0) return instanceId;
    expectDone(answer);
    return readText(readObject(readJson(answer))['id']);
  }

  async getStatus(instanceId: string, options: GetStatusOptions = {}): Promise<OrchestrationInstance | undefined> {
    if (cannotExist(instanceId)) return undefined;
    const answer = await this.#transport.send({
      method: 'GET',
      path: `/stored-instances/${encodeURIComponent(instanceId)}`,
      query: { showHistory: String(options.showHistory ?? false) },
      repeatable: true,
    });
    if (isMissing(answer)) return undefined;
    expectDone(answer);
    return readInstance(readJson(answer));
  }

  async getHistory(instanceId: string): Promise<OrchestrationHistory | undefined> {
    const instance = await this.getStatus(instanceId, { showHistory: true });
    return instance && toOrchestrationHistory(instance);
  }

  async explain(instanceId: string): Promise<Explanation | undefined> {
    if (cannotExist(instanceId)) return undefined;
    const path = `/instances/${encodeURIComponent(instanceId)}/explain`;
    const answer = await this.#transport.send({ method: 'GET', path, repeatable: true });
    if (isMissing(answer)) return undefined;
    expectDone(answer);
    return readExplanation(readJson(answer));
  }

  async getStatusBy(
    filter: InstanceFilter,
    page: { readonly limit?: number; readonly continuationToken?: string } = {},
  ): Promise<InstancePage> {
    const answer = await this.#transport.send({
      method: 'GET',
      path: '/stored-instances',
      query: { ...filterParameters(filter), top: String(checkPage(page.limit, 'instances')) },
      continuationToken: page.continuationToken,
      repeatable: true,
    });
    expectDone(answer);
    return { instances: readList(readJson(answer), readInstance), ...tokenOf(answer) };
  }

  async raiseEvent(
    instanceId: string,
    event: EventDefinition<unknown, unknown> | string,
    data?: unknown,
  ): Promise<void> {
    const text = toTextEvent(event, data);
    return this.raiseEventText(instanceId, text.name, text.data);
  }

  async raiseEventText(instanceId: string, eventName: string, data: string | undefined): Promise<void> {
    refuse(eventNameProblem(eventName));
    const name = segment(eventName, 'The name of an event');
    // The API has no event without data: without a body it is 400.
    await this.#operate(instanceId, { operation: `raiseEvent/${name}`, body: data ?? 'null' });
  }

  async terminate(instanceId: string, reason?: string, options: { readonly recursive?: boolean } = {}): Promise<void> {
    const query = { reason: checkReason(reason), recursive: switchText(options.recursive) };
    await this.#operate(instanceId, { operation: 'terminate', query });
  }

  async suspend(instanceId: string, reason?: string): Promise<void> {
    await this.#operate(instanceId, { operation: 'suspend', query: { reason: checkReason(reason) } });
  }

  async resume(instanceId: string, reason?: string): Promise<void> {
    await this.#operate(instanceId, { operation: 'resume', query: { reason: checkReason(reason) } });
  }

  async rewind(instanceId: string, reason?: string): Promise<void> {
    await this.#operate(
      instanceId,
      { operation: 'rewind', query: { reason: checkReason(reason) } },
      { missing: () => notRewindable(instanceId), precondition: 'InstanceNotFailed' },
    );
  }

  async restart(instanceId: string, options: { readonly restartWithNewInstanceId?: boolean } = {}): Promise<string> {
    const restartWithNewInstanceId = String(options.restartWithNewInstanceId ?? true);
    const answer = await this.#operate(instanceId, { operation: 'restart', query: { restartWithNewInstanceId } });
    return readText(readObject(readJson(answer))['id']);
  }

  async purgeInstanceHistory(
    instanceId: string,
    options: { readonly recursive?: boolean } = {},
  ): Promise<{ readonly instancesDeleted: number }> {
    if (cannotExist(instanceId)) return { instancesDeleted: 0 };
    const answer = await this.#transport.send({
      method: 'DELETE',
      path: `/instances/${encodeURIComponent(instanceId)}`,
      query: { recursive: switchText(options.recursive) },
      repeatable: false,
    });
    return readPurged(answer);
  }

  async countBy(filter: InstanceFilter, options: { readonly signal?: AbortSignal } = {}): Promise<InstanceCounts> {
    const answer = await this.#transport.send({
      method: 'GET',
      path: '/counts',
      query: filterParameters(filter),
      repeatable: true,
      waitMs: extraForManyMs,
      signal: options.signal,
    });
    expectDone(answer);
    const byStatus = readObject(readObject(readJson(answer))['byStatus']);
    const counts = runtimeStatuses.map((status) => [status, readCount(byStatus[status])]);
    return Object.fromEntries(counts) as InstanceCounts;
  }

  async bulk(operation: BulkOperation, filter: InstanceFilter, options: BulkOptions = {}): Promise<BulkOutcome> {
    if (!bulkOperations.includes(operation)) refuse(`There is no bulk operation '${operation as string}'.`);
    const { reason, recursive, dryRun, all, limit, continuationToken, signal } = options;
    const answer = await this.#transport.send({
      method: 'POST',
      path: `/bulk/${operation}`,
      query: {
        ...filterParameters(filter),
        reason: checkReason(reason),
        recursive: switchText(recursive),
        dryRun: switchText(dryRun),
        all: switchText(all),
        top: limit === undefined ? undefined : String(limit),
      },
      continuationToken,
      repeatable: dryRun === true,
      waitMs: extraForManyMs,
      signal,
    });
    expectDone(answer);
    const outcome = readObject(readJson(answer));
    return {
      dryRun: dryRun === true,
      matched: readCount(outcome['matched']),
      accepted: readCount(outcome['accepted']),
      refused: readCount(outcome['refused']),
      instanceIds: readList(outcome['instanceIds'], readText),
      ...tokenOf(answer),
    };
  }

  async purgeInstanceHistoryBy(filter: InstanceFilter, options: { readonly dryRun?: boolean } = {}): Promise<Purged> {
    const { dryRun = false } = options;
    const answer = await this.#transport.send({
      method: 'DELETE',
      path: '/instances',
      // The API wants a beginning.
      query: {
        ...filterParameters({ ...filter, createdFrom: filter.createdFrom ?? new Date(longAgo) }),
        dryRun: switchText(dryRun),
      },
      repeatable: dryRun,
      waitMs: extraForManyMs,
    });
    if (isMissing(answer)) return { instancesDeleted: 0, ...(dryRun ? { instancesMatched: 0 } : {}) };
    return readPurged(answer);
  }

  async waitForCompletion(instanceId: string, options: WaitOptions = {}): Promise<OrchestrationInstance | undefined> {
    const { signal } = options;
    const end = performance.now() + (options.timeoutMs ?? defaultWaitMs);
    for (let pauseMs = firstPollMs; ; pauseMs = Math.min(longestPollMs, pauseMs * 2)) {
      const left = end - performance.now();
      if (left <= 0 || signal?.aborted === true) return this.getStatus(instanceId);
      const begun = performance.now();
      const isOver = await this.#isOver(instanceId, { waitMs: Math.min(left, longestWaitMs), signal });
      if (isOver) return this.getStatus(instanceId);
      // A service that waits itself has spent the time already.
      const unspent = Math.min(pauseMs - (performance.now() - begun), end - performance.now());
      if (unspent <= 0) continue;
      // Who stops the wait gets the instance as it is, as with a client in the process.
      await pause(unspent, signal).catch(() => undefined);
    }
  }

  createHttpManagementPayload(instanceId: string): HttpManagementPayload {
    return managementPayload(this.#links(), instanceId);
  }

  createCheckStatusResponse(_request: Request | undefined, instanceId: string): Response {
    const links = this.#links();
    const headers = { location: statusUri(links, instanceId), 'retry-after': '10' };
    return jsonResponse(202, checkStatusText(links, instanceId), headers);
  }

  async waitForCompletionOrCreateCheckStatusResponse(
    request: Request,
    instanceId: string,
    options?: { readonly timeoutInMilliseconds?: number },
  ): Promise<Response> {
    const timeoutMs = options?.timeoutInMilliseconds ?? defaultWaitMs;
    const instance = await this.waitForCompletion(instanceId, { timeoutMs, signal: request.signal });
    if (instance === undefined) throw notFound(instanceId);
    if (!hasEnded(instance)) return this.createCheckStatusResponse(request, instanceId);
    if (instance.runtimeStatus === 'Completed') return jsonResponse(200, presentOutput(instance));
    return jsonResponse(instance.runtimeStatus === 'Failed' ? 500 : 200, presentStatus(instance, shown));
  }

  /** Whether an instance has ended, or is not there. A service that can answers when it has, or when the time is up. */
  async #isOver(
    instanceId: string,
    { waitMs, signal }: { readonly waitMs: number; readonly signal: AbortSignal | undefined },
  ): Promise<boolean> {
    if (cannotExist(instanceId)) return true;
    try {
      const answer = await this.#transport.send({
        method: 'GET',
        path: `/instances/${encodeURIComponent(instanceId)}`,
        query: { wait: `${Math.ceil(waitMs)}ms`, showInput: 'false' },
        repeatable: true,
        waitMs,
        signal,
      });
      if (isMissing(answer)) return true;
      expectDone(answer);
      return answer.status === 200;
    } catch (error) {
      if (signal?.aborted === true) return true;
      throw error;
    }
  }

  async #operate(
    instanceId: string,
    call: { readonly operation: string; readonly query?: Record<string, string | undefined>; readonly body?: string },
    meaning: Meaning = {},
  ): Promise<Answer> {
    const { missing = () => notFound(instanceId) } = meaning;
    if (cannotExist(instanceId)) throw missing();
    const { operation, ...rest } = call;
    const path = `/instances/${encodeURIComponent(instanceId)}/${operation}`;
    const answer = await this.#transport.send({ method: 'POST', path, ...rest, repeatable: false });
    expectDone(answer, {
      ...meaning,
      missing,
      ended: () => new DurableError('InstanceTerminal', `The instance '${instanceId}' has ended.`),
    });
    return answer;
  }

  /** Without the key: whoever gets the links is somebody else. */
  #links(): LinkScope {
    return { base: this.#transport.base, taskHub: this.taskHub, connection: defaultConnection, key: undefined };
  }
}

/** What no stored instance is called, or no URL can say. */
function cannotExist(instanceId: string): boolean {
  return typeof instanceId !== 'string' || isImpossible(instanceId) || instanceId === '.' || instanceId === '..';
}

interface Purged {
  readonly instancesDeleted: number;
  readonly instancesMatched?: number;
}

function switchText(isOn: boolean | undefined): string | undefined {
  return isOn === true ? 'true' : undefined;
}

function readPurged(answer: Answer): Purged {
  if (isMissing(answer)) return { instancesDeleted: 0 };
  expectDone(answer, { precondition: 'InstanceNotTerminal' });
  const { instancesDeleted, instancesMatched } = readObject(readJson(answer));
  return {
    instancesDeleted: readCount(instancesDeleted),
    ...(instancesMatched === undefined ? {} : { instancesMatched: readCount(instancesMatched) }),
  };
}

function jsonResponse(status: number, text: string, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(text, { status, headers: { 'content-type': 'application/json; charset=utf-8', ...headers } });
}
