-- Moves a group's cursor past many messages at once: where most wait behind others of their ordering keys.
-- Parameters: k, g, now, limit
-- Returns: nothing.
update mq_group set previous = cursor, cursor = coalesce((
    select max(seq) from (
      select seq from mq_message
      where k = :k and seq > mq_group.cursor and (only is null or only = :g) order by seq limit :limit
    )
  ), cursor)
where g = :g;

insert into mq_delivery (g, seq, due, attempts, lease, okey)
select :g, m.seq, iif(m.okey is null, 0, -1), 0, null, m.okey
from mq_group g cross join mq_message m on m.k = :k and m.seq > g.previous and m.seq <= g.cursor
where g.g = :g and (m.only is null or m.only = :g) and (m.expires is null or m.expires > :now);

update mq_delivery set due = 0
where g = :g and due = -1 and seq in (
  select (select min(n.seq) from mq_delivery n where n.g = :g and n.okey = d.okey)
  from mq_group g cross join mq_delivery d on d.g = g.g and d.seq > g.previous and d.seq <= g.cursor
  where g.g = :g and d.okey is not null
);
