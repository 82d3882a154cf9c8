-- Looks, without a lock, whether a group has something to do.
-- Parameters: k, g, now
-- Returns: one row. at: the latest time that a write has seen. ready: something may be deliverable. expired: something
-- is to be removed. scheduled, due, expires: when the next delayed message, the next end of a lease or of a retry's
-- delay, and the next end of a time to live come, or null.
select
  (select at from mq_meta) as at,
  exists (select 1 from mq_delivery indexed by mq_delivery_ready where g = :g and due = 0)
    or exists (
      select 1 from mq_message
      where k = :k and seq > (select cursor from mq_group where g = :g) and (only is null or only = :g)
    ) as ready,
  exists (
      select 1 from mq_message e indexed by mq_message_expiring
      where e.k = :k and e.expires <= :now and (
        not exists (
          select 1 from mq_group h cross join mq_delivery d on d.g = h.g and d.seq = e.seq where h.k = :k
        )
        or exists (
          select 1 from mq_group h cross join mq_delivery d on d.g = h.g and d.seq = e.seq
          where h.k = :k and (d.lease is null or d.due <= :now)
        )
      )
    )
    or exists (select 1 from mq_scheduled indexed by mq_scheduled_expiring where k = :k and expires <= :now) as expired,
  (select min(due) from mq_scheduled where k = :k) as scheduled,
  (select min(due) from mq_delivery indexed by mq_delivery_due where g = :g and due > 0) as due,
  (select min(expires) from mq_message indexed by mq_message_expiring where k = :k and expires > :now) as expires;
