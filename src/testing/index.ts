/** The surface of `perdure/testing`. */
export { createTestEnvironment, type TestEnvironment, type TestEnvironmentOptions } from './environment.ts';
export { assertReplays, ReplayDifferenceError, type ReplayableHistory } from './assert-replays.ts';
export { failFirst, hang, inTurn, mock, type MockCall, type MockDefinition, type MockHandler } from './mock.ts';
export { mockHttp, type MockHttpResponse } from './mock-http.ts';
export { StillWaitingError } from './waiting-for.ts';
export type { ActivityCall, ActivityCallOutcome } from './activity-calls.ts';
export type { ActivityMoment, CommitMoment, Fault, FaultInjection, FaultMoment, FaultPlan } from './faults.ts';
export type { TestFunction } from './functions.ts';
