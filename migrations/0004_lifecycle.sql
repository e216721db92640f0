-- Tags of instances: a map of texts, given at the start.
alter table instances add column tags jsonb;
