import { isActivity } from '../../model/functions.ts';

/**
 * The name that a call means.
 * @throws TypeError for what is neither an activity nor a name
 */
export function activityName(activity: unknown, called = 'callActivity'): string {
  if (typeof activity === 'string' && activity !== '') return activity;
  if (isActivity(activity)) return activity.name;
  throw new TypeError(`${called}(activity, …): the first argument must be an activity or the name of one.`);
}
