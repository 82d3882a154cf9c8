-- Counts a group's messages by their state; a group that does not exist (null) sees all that is kept.
-- Parameters: k, g, now
-- Returns: one row.
with
  reached as (
    select d.okey, iif(d.lease is not null and d.due > :now, 'leased',
        iif(d.due > :now, 'delayed', iif(d.due = -1, 'behind', 'ready'))) as state
    from mq_delivery d cross join mq_message m on m.seq = d.seq
    where d.g = :g and (m.expires is null or m.expires > :now or d.lease is not null and d.due > :now)
  ),
  unread as (
    select m.okey, iif(m.okey is null, 'ready', 'behind') as state
    from mq_message m
    where m.k = :k and m.seq > coalesce((select cursor from mq_group where g = :g), 0)
      and (m.only is null or m.only = :g) and (m.expires is null or m.expires > :now)
  ),
  scheduled as (
    select iif(s.due > :now, null, s.okey) as okey,
      iif(s.due > :now, 'delayed', iif(s.okey is null, 'ready', 'behind')) as state
    from mq_scheduled s
    where s.k = :k and (s.expires is null or s.expires > :now)
  ),
  states as (select * from reached union all select * from unread union all select * from scheduled),
  -- An ordering key that nothing holds up has one message that is deliverable, though nobody has marked it yet.
  free as (
    select count(*) as n from (select okey from states where okey is not null group by okey having min(state) = max(state) and min(state) = 'behind')
  )
select
  coalesce(sum(state = 'ready'), 0) + (select n from free) as ready,
  coalesce(sum(state = 'leased'), 0) as leased,
  coalesce(sum(state = 'delayed'), 0) as delayed,
  coalesce(sum(state = 'behind'), 0) - (select n from free) as blocked,
  (select count(*) from mq_dead where g = :g) as dead
from states;
