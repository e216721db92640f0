-- Where the trace of an instance comes from: the W3C trace context of its start and the execution that it began. NULL for
-- those that were started outside of any trace, which costs nothing.
alter table instances add column trace_context text;
