/** The tables as kysely sees them. `rows.ts` translates; nothing else knows snake_case. */
import type { Generated } from 'kysely';
import type { LiveStatus, TerminalStatus } from '../../model/instance.ts';

export interface Database {
  task_hubs: { id: Generated<number>; name: string; created_at: Generated<Date> };
  workers: {
    id: Generated<string>;
    hub_id: number;
    name: string;
    orchestrators: string[];
    activities: string[];
    started_at: Generated<Date>;
    expires_at: Date;
  };
  instances: InstanceTable;
  executions: {
    instance_key: string;
    hub_id: number;
    name: string;
    execution_id: string;
    status: LiveStatus;
    sequence: Generated<string>;
    first_sequence: Generated<string>;
    owner: string | null;
    crash_count: Generated<number>;
    last_updated_at: Generated<Date>;
    custom_status: string | null;
  };
  history: { instance_key: string; sequence: string; commit_id: string; events: string };
  messages: {
    id: Generated<string>;
    instance_key: string;
    hub_id: number;
    visible_at: Generated<Date>;
    execution_id: string | null;
    timer_id: number | null;
    event: string;
  };
  activity_tasks: {
    id: Generated<string>;
    hub_id: number;
    name: string;
    instance_key: string;
    execution_id: string;
    task_scheduled_id: number;
    attempt: number;
    first_scheduled_id: number;
    redelivery: number;
    version: string | null;
    input: string | null;
    tags: string | null;
    owner: string | null;
    created_at: Generated<Date>;
  };
}

export interface InstanceTable {
  key: Generated<string>;
  hub_id: number;
  instance_id: string;
  name: string;
  version: string | null;
  execution_id: string;
  status: TerminalStatus | null;
  created_at: Generated<Date>;
  last_updated_at: Generated<Date>;
  completed_at: Date | null;
  scheduled_start_at: Date | null;
  input: string | null;
  output: string | null;
  custom_status: string | null;
  failure: string | null;
  tags: Readonly<Record<string, string>> | null;
  parent_key: string | null;
  parent: string | null;
}
