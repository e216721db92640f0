-- Tags of a queued activity, as JSON: those of its orchestration and its own. NULL, as for most: it has none.
alter table activity_tasks add column tags text;
