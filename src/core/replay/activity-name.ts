import { tagsProblem, type Tags } from '../../model/instance.ts';
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

/**
 * The tags of a call: those of the orchestration, and its own, which overrule them.
 * @throws TypeError for what cannot be tags
 */
export function tagsOf(activity: string, inherited: Tags | undefined, own: Tags | undefined): Tags | undefined {
  if (own === undefined) return inherited;
  const problem = tagsProblem(own);
  if (problem !== null) throw new TypeError(`The activity '${activity}' cannot be called. ${problem}`);
  return { ...inherited, ...own };
}
