-- Brings back what is due: leases that have run out, and retries whose delay is over.
-- Parameters: g, now, limit
-- Returns: nothing.
update mq_delivery set due = 0, lease = null
where g = :g and seq in (
  select seq from mq_delivery indexed by mq_delivery_due
  where g = :g and due > 0 and due <= :now order by due limit :limit
);
