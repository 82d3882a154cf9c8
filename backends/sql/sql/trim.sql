-- Drops the oldest messages of a key that is over its bound, the delayed ones among them: those that nobody holds
-- under a lease.
-- Parameters: k, max, now
-- Returns: nothing.
update mq_queue set cutoff = coalesce((
    select max(seq) from (
      select m.seq from mq_message m
      where m.k = :k and not exists (
        select 1 from mq_group g cross join mq_delivery d on d.g = g.g and d.seq = m.seq
        where g.k = :k and d.lease is not null and d.due > :now
      )
      union all
      select s.seq from mq_scheduled s where s.k = :k
      order by 1 limit (select max(0, length - :max) from mq_queue where k = :k)
    )
  ), 0)
where k = :k;

delete from mq_delivery
where (g, seq) in (
    select g.g, m.seq
    from mq_queue q cross join mq_message m on m.k = :k and m.seq <= q.cutoff cross join mq_group g on g.k = :k
    where q.k = :k and not exists (
      select 1 from mq_group h cross join mq_delivery d on d.g = h.g and d.seq = m.seq
      where h.k = :k and d.lease is not null and d.due > :now
    )
  );

delete from mq_message
where seq in (
  select m.seq
  from mq_queue q cross join mq_message m on m.k = :k and m.seq <= q.cutoff
  where q.k = :k and not exists (
    select 1 from mq_group g cross join mq_delivery d on d.g = g.g and d.seq = m.seq
    where g.k = :k and d.lease is not null and d.due > :now
  )
);

update mq_queue set length = length - changes() where k = :k;

delete from mq_scheduled indexed by mq_scheduled_log where k = :k and seq <= (select cutoff from mq_queue where k = :k);

update mq_queue set length = length - changes() where k = :k;
