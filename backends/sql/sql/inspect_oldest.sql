-- Finds when the oldest message was published that a group has not settled; a group that does not exist (null) has
-- settled nothing. Of what the group has not reached, the first message stands for all.
-- Parameters: k, g, now
-- Returns: one row with the time, or null.
select min(at) as at from (
  select m.at from mq_delivery d cross join mq_message m on m.seq = d.seq
  where d.g = :g and (m.expires is null or m.expires > :now or d.lease is not null and d.due > :now)
  union all
  select * from (
    select m.at from mq_message m
    where m.k = :k and m.seq > coalesce((select cursor from mq_group where g = :g), 0)
      and (m.only is null or m.only = :g) and (m.expires is null or m.expires > :now)
    order by m.seq limit 1
  )
  union all
  select s.at from mq_scheduled s where s.k = :k and (s.expires is null or s.expires > :now)
);
