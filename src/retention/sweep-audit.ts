/** The record of a sweep in the audit log: a purge of many, on behalf of the service. Without anything to remove there is none. */
import type { Logger } from 'pino';
import type { AuditEntry, Origin } from '../model/access.ts';
import { type RetentionRules, retentionText } from '../model/retention.ts';
import type { AccessStore } from '../store/access-store.ts';

const service: Origin = {
  actor: 'retention',
  actorKind: 'service',
  address: null,
  userAgent: null,
  requestId: null,
};

export class SweepAudit {
  readonly #access: Pick<AccessStore, 'recordAudit' | 'finishAudit'>;
  readonly #log: Logger;
  readonly #entry: AuditEntry;
  #id: string | undefined;

  constructor(options: {
    readonly access: Pick<AccessStore, 'recordAudit' | 'finishAudit'>;
    readonly taskHub: string;
    readonly rules: RetentionRules;
    /** On whose behalf. Default: the service's own. */
    readonly origin?: Origin;
    readonly log: Logger;
  }) {
    this.#access = options.access;
    this.#log = options.log;
    this.#entry = {
      ...(options.origin ?? service),
      taskHub: options.taskHub,
      action: 'purgeMany',
      target: null,
      reason: 'retention',
      outcome: 'begun',
      detail: retentionText(options.rules),
    };
  }

  /** Before the first removal: what is not recorded does not happen. */
  async begin(): Promise<void> {
    this.#id ??= await this.#access.recordAudit(this.#entry);
  }

  async end(instancesDeleted: number): Promise<void> {
    if (this.#id === undefined) return;
    const detail = `${this.#entry.detail ?? ''} ${JSON.stringify({ instancesDeleted })}`;
    try {
      await this.#access.finishAudit(this.#id, { outcome: 'accepted', detail });
    } catch (error) {
      // It is done all the same; the log keeps what the database did not take.
      this.#log.error({ err: error, detail }, 'a sweep could not be recorded');
    }
  }
}
