-- Adds a batch of which nothing can be refused: no chosen ids, no bound, no delays.
-- Parameters: k, token, count, now, keep, rows
-- rows: [[id, chosen, ordering key, due, expires, headers, body], …]
-- Returns: the outcomes.
update mq_meta set base = next, next = next + :count, at = max(at, :now)
where not exists (select 1 from mq_sent where token = :token);

insert into mq_message (seq, k, only, at, visible, expires, okey, id, headers, body)
select (select base from mq_meta) + j.key, :k, null, :now, :now,
  j.value ->> 4, j.value ->> 2, j.value ->> 0, j.value ->> 5, j.value ->> 6
from json_each(:rows) j
where not exists (select 1 from mq_sent where token = :token);

update mq_queue set length = length + changes() where k = :k;

insert or ignore into mq_sent (seq, token, until, outcomes) select base, :token, :keep, '' from mq_meta;

delete from mq_sent
where seq in (select seq from (select seq, until from mq_sent order by seq limit 4) where until <= :now);

select outcomes from mq_sent where token = :token;
