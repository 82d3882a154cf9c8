-- Puts a group's oldest dead letters behind all that waits, for that group alone.
-- Parameters: k, g, now, ids, limit
-- ids: [n, …], or null for all
-- Returns: the number of each.
update mq_meta set base = next, next = next + :limit;

insert into mq_message (seq, k, only, at, visible, expires, okey, id, headers, body)
select (select base from mq_meta) + row_number() over (order by n) - 1, :k, :g, at, :now, null, okey, id, headers, body
from (
  select * from mq_dead
  where g = :g and (:ids is null or n in (select value from json_each(:ids)))
  order by n limit :limit
);

update mq_queue set length = length + changes() where k = :k;

delete from mq_dead
where n in (
  select n from mq_dead
  where g = :g and (:ids is null or n in (select value from json_each(:ids)))
  order by n limit :limit
)
returning n;
