-- Which migrations end what versions before them can do: `-- breaking` at the top of a file. A process that finds one here
-- that it does not know stops.
alter table migrations add column if not exists breaking boolean not null default false;
