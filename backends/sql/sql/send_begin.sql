-- Takes places for a batch, remembers the ids that its publishers chose, and counts the room that there is.
-- Parameters: k, token, count, now, until, max, meta
-- meta: [[id, chosen 0|1], …]
-- Returns: nothing. A batch whose token is known changes nothing, here and in the lists that follow.
update mq_meta set base = next, next = next + :count, at = max(at, :now)
where not exists (select 1 from mq_sent where token = :token);

update mq_queue set room = max(0, :max - length)
where k = :k and not exists (select 1 from mq_sent where token = :token);

insert into mq_id (seq, k, id, until)
select (select base from mq_meta) + j.key, :k, j.value ->> 0, :until
from json_each(:meta) j
where j.value ->> 1 and not exists (select 1 from mq_sent where token = :token)
on conflict (k, id) do update set seq = excluded.seq, until = excluded.until where until <= :now;
