-- Removes messages whose time is over, but for those under a lease: they go when it ends.
-- Parameters: k, now, limit
-- Returns: nothing.
delete from mq_delivery
where (g, seq) in (
    select g.g, m.seq
    from (
      select e.seq from mq_message e indexed by mq_message_expiring
      where e.k = :k and e.expires <= :now and exists (
        select 1 from mq_group h cross join mq_delivery d on d.g = h.g and d.seq = e.seq
        where h.k = :k and (d.lease is null or d.due <= :now)
      )
      order by e.expires limit :limit
    ) m cross join mq_group g on g.k = :k
  )
  and (lease is null or due <= :now);

delete from mq_message
where seq in (
  select e.seq from mq_message e indexed by mq_message_expiring
  where e.k = :k and e.expires <= :now and not exists (
    select 1 from mq_group h cross join mq_delivery d on d.g = h.g and d.seq = e.seq where h.k = :k
  )
  order by e.expires limit :limit
);

update mq_queue set length = length - changes() where k = :k;

delete from mq_scheduled
where seq in (
  select seq from mq_scheduled indexed by mq_scheduled_expiring
  where k = :k and expires <= :now order by expires limit :limit
);

update mq_queue set length = length - changes() where k = :k;
