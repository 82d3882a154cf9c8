-- Gives the delayed messages that are due their places, in the order of their times.
-- Parameters: k, now, limit
-- Returns: nothing.
update mq_meta set base = next, next = next + :limit
where exists (select 1 from mq_scheduled where k = :k and due <= :now);

insert into mq_message (seq, k, only, at, visible, expires, okey, id, headers, body)
select (select base from mq_meta) + row_number() over (order by due, seq) - 1,
  k, null, at, due, expires, okey, id, headers, body
from (select * from mq_scheduled where k = :k and due <= :now order by due, seq limit :limit);

delete from mq_scheduled
where seq in (select seq from mq_scheduled where k = :k and due <= :now order by due, seq limit :limit);
