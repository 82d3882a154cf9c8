-- Tells for each group of a key what waits and whether a consumer has leased any of it; a null name stands for no group at all.
-- Parameters: key, now
-- Returns: a row for each group: "since", when the oldest deliverable message was published, and "leased".
with
  q as (select k from mq_queue where name = :key),
  groups as (
    select g, name, cursor from mq_group where k = (select k from q)
    union all
    select null, null, 0 where not exists (select 1 from mq_group where k = (select k from q))
  )
select
  text(name) as name,
  (
    select min(at) from (
      select * from (
        select m.at from mq_message m
        where m.k = (select k from q) and m.seq > groups.cursor and (m.only is null or m.only = groups.g)
          and (m.expires is null or m.expires > :now)
        order by m.seq limit 1
      )
      union all
      select * from (
        select m.at from mq_delivery d cross join mq_message m on m.seq = d.seq
        where d.g = groups.g and d.due >= 0 and d.due <= :now
        order by d.seq limit 1
      )
    )
  ) as since,
  exists (select 1 from mq_delivery d where d.g = groups.g and d.lease is not null and d.due > :now) as leased
from groups;
