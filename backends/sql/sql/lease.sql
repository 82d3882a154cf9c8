-- Leases messages of a group: first those that it has seen before, then those that follow its cursor.
-- Parameters: k, g, now, until, token, max
-- Returns: how far the cursor moved, before the last statement's messages under this lease in their order.
update mq_meta set at = max(at, :now);

update mq_delivery set due = :until, lease = :token, attempts = attempts + 1
where g = :g and seq in (
  select d.seq from mq_delivery d indexed by mq_delivery_ready
  where d.g = :g and d.due = 0
    and not exists (select 1 from mq_message m where m.seq = d.seq and m.expires <= :now)
  order by d.seq limit :max
);

update mq_group set previous = cursor, cursor = coalesce((
    select max(seq) from (
      select seq from mq_message
      where k = :k and seq > mq_group.cursor and (only is null or only = :g)
      order by seq limit max(0, :max - changes())
    )
  ), cursor)
where g = :g;

-- As many as are asked for at most: what waits for nothing is leased at once.
insert into mq_delivery (g, seq, due, attempts, lease, okey)
select :g, m.seq, iif(m.okey is null, :until, -1), iif(m.okey is null, 1, 0), iif(m.okey is null, :token, null), m.okey
from mq_group g cross join mq_message m on m.k = :k and m.seq > g.previous and m.seq <= g.cursor
where g.g = :g and (m.only is null or m.only = :g) and (m.expires is null or m.expires > :now);

update mq_delivery set due = :until, lease = :token, attempts = 1
where g = :g and due = -1 and seq in (
  select (select min(n.seq) from mq_delivery n where n.g = :g and n.okey = d.okey)
  from mq_group g cross join mq_delivery d on d.g = g.g and d.seq > g.previous and d.seq <= g.cursor
  where g.g = :g and d.okey is not null
);

select cursor - previous as moved from mq_group where g = :g;

select d.seq, d.attempts, m.at, iif(d.attempts = 1 and d.freed > m.visible, d.freed - m.visible, null) as blocked, text(m.okey) as okey, text(m.id) as id, m.headers, m.body, octet_length(m.body) as bytes
from mq_delivery d indexed by mq_delivery_due cross join mq_message m on m.seq = d.seq
where d.g = :g and d.due = :until and d.due > 0 and d.lease = :token
order by d.seq;
