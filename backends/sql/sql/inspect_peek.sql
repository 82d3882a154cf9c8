-- Reads the first messages that a group has not settled: those that it has reached, those that it has not, and those
-- that are published with a delay; a group that does not exist (null) has reached none.
-- Parameters: k, g, now, limit
-- Returns: three lists, each in its order. state: inFlight, delayed, ready, or behind where the ordering key decides;
-- held: 1 where a message that the group has reached holds the ordering key.
select m.seq, d.attempts, iif(d.lease is not null and d.due > :now, 'inFlight',
    iif(d.due > :now, 'delayed', iif(d.due = -1, 'behind', 'ready'))) as state, 1 as held,
  m.at, text(m.okey) as okey, text(m.id) as id, text(m.headers) as headers, m.body, octet_length(m.body) as bytes
from mq_delivery d cross join mq_message m on m.seq = d.seq
where d.g = :g and (m.expires is null or m.expires > :now or d.lease is not null and d.due > :now)
order by d.seq limit :limit;

select m.seq, 0 as attempts, iif(m.okey is null, 'ready', 'behind') as state,
  exists (select 1 from mq_delivery d where d.g = :g and d.okey = m.okey) as held,
  m.at, text(m.okey) as okey, text(m.id) as id, text(m.headers) as headers, m.body, octet_length(m.body) as bytes
from mq_message m
where m.k = :k and m.seq > coalesce((select cursor from mq_group where g = :g), 0)
  and (m.only is null or m.only = :g) and (m.expires is null or m.expires > :now)
order by m.seq limit :limit;

select s.seq, 0 as attempts, iif(s.due > :now, 'delayed', iif(s.okey is null, 'ready', 'behind')) as state,
  exists (select 1 from mq_delivery d where d.g = :g and d.okey = s.okey) as held,
  s.at, text(s.okey) as okey, text(s.id) as id, text(s.headers) as headers, s.body, octet_length(s.body) as bytes
from mq_scheduled s
where s.k = :k and (s.expires is null or s.expires > :now)
order by s.due, s.seq limit :limit;
