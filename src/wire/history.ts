import { z } from 'zod';
import { payload } from './fields.ts';

/** Details of a failure; `InnerFailure` has the same shape. */
export interface FailureDetails {
  readonly ErrorType: string;
  readonly ErrorMessage: string;
  readonly StackTrace: string | null;
  readonly InnerFailure: FailureDetails | null;
  readonly IsNonRetriable: boolean;
  readonly Properties?: Readonly<Record<string, unknown>>;
}

export const failureDetails = z
  .object({
    ErrorType: z.string(),
    ErrorMessage: z.string(),
    StackTrace: z.string().nullable(),
    InnerFailure: payload.meta({ description: 'The same shape, or null.' }),
    IsNonRetriable: z.boolean(),
    Properties: z.record(z.string(), z.unknown()).optional().meta({ description: 'What else the error says.' }),
  })
  .meta({ id: 'FailureDetails' });

/**
 * One event as `showHistory=true` shows it. Field names are PascalCase, unlike everything else in this API; which
 * fields an event has depends on its type.
 */
export const historyEvent = z
  .object({
    EventType: z.string(),
    Timestamp: z.string(),
    Name: z.string().optional(),
    InstanceId: z.string().optional(),
    LockSet: z.array(z.string()).optional().meta({ description: 'Instance ids of entities.' }),
    FunctionName: z.string().nullable().optional(),
    ScheduledTime: z.string().nullable().optional(),
    ScheduledStartTime: z.string().nullable().optional(),
    FireAt: z.string().nullable().optional(),
    Input: z.string().nullable().optional().meta({ description: 'JSON text, as a string.' }),
    Result: payload.optional().meta({ description: 'Only with `showHistoryOutput=true`.' }),
    Reason: z.string().nullable().optional(),
    Details: z.string().nullable().optional(),
    FailureDetails: failureDetails.nullable().optional(),
    OrchestrationStatus: z.string().optional(),
  })
  .meta({
    id: 'HistoryEvent',
    examples: [
      {
        EventType: 'TaskCompleted',
        Timestamp: '2024-05-01T08:00:00.900Z',
        Result: 'Hello Tokyo!',
        ScheduledTime: '2024-05-01T08:00:00.200Z',
        FunctionName: 'SayHello',
        Input: '"Tokyo"',
      },
    ],
  });
