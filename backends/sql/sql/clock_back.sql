-- Moves leases and delays back by as much as the clock was set back since the last write. None becomes early.
-- Parameters: now, tolerance
-- Returns: nothing. A second process that sees the same changes nothing.
update mq_delivery set due = max(1, due - (select at - :now from mq_meta))
where due > 0 and (select at - :now from mq_meta) > :tolerance;

update mq_scheduled set due = due - (select at - :now from mq_meta)
where (select at - :now from mq_meta) > :tolerance;

update mq_meta set at = :now where at - :now > :tolerance;
