-- Notes the time, for what happens next.
-- Parameters: now
-- Returns: nothing.
update mq_meta set at = max(at, :now);
