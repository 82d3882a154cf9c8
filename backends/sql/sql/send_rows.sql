-- Adds those of a batch that are no duplicates, as far as there is room: with a delay, and without.
-- Parameters: k, token, now, keep, meta, rows, sweep
-- meta: [[id, chosen 0|1], …]; rows: [[id, chosen, ordering key, due, expires, headers, body], …]
-- Returns: the outcomes.
insert into mq_message (seq, k, only, at, visible, expires, okey, id, headers, body)
select (select base from mq_meta) + j.key, :k, null, :now, :now,
  j.value ->> 4, j.value ->> 2, j.value ->> 0, j.value ->> 5, j.value ->> 6
from json_each(:rows) j
where j.value ->> 3 is null
  and not exists (select 1 from mq_sent where token = :token)
  and j.key in (
    select i.key from json_each(:meta) i
    where i.value ->> 1 = 0
      or (select base from mq_meta) + i.key = (select seq from mq_id where k = :k and id = i.value ->> 0)
    order by i.key limit (select room from mq_queue where k = :k)
  );

update mq_queue set length = length + changes() where k = :k;

insert into mq_scheduled (seq, k, due, at, expires, okey, id, headers, body)
select (select base from mq_meta) + j.key, :k, j.value ->> 3, :now,
  j.value ->> 4, j.value ->> 2, j.value ->> 0, j.value ->> 5, j.value ->> 6
from json_each(:rows) j
where j.value ->> 3 is not null
  and not exists (select 1 from mq_sent where token = :token)
  and j.key in (
    select i.key from json_each(:meta) i
    where i.value ->> 1 = 0
      or (select base from mq_meta) + i.key = (select seq from mq_id where k = :k and id = i.value ->> 0)
    order by i.key limit (select room from mq_queue where k = :k)
  );

update mq_queue set length = length + changes() where k = :k;

-- An id whose message was refused must not be taken for one that is there.
delete from mq_id
where seq in (
    select (select base from mq_meta) + i.key from json_each(:meta) i
    where not exists (select 1 from mq_sent where token = :token)
  )
  and not exists (select 1 from mq_message m where m.seq = mq_id.seq)
  and not exists (select 1 from mq_scheduled s where s.seq = mq_id.seq);

insert or ignore into mq_sent (seq, token, until, outcomes)
select base, :token, :keep, (
    select group_concat(
      case
        when exists (select 1 from mq_message m where m.seq = base + j.key) then 'a'
        when exists (select 1 from mq_scheduled s where s.seq = base + j.key) then 'a'
        when j.value ->> 1 and exists (select 1 from mq_id d where d.k = :k and d.id = j.value ->> 0) then 'd'
        else 'f'
      end, '')
    from json_each(:meta) j
  )
from mq_meta;

delete from mq_id
where seq in (select seq from (select seq, until from mq_id order by seq limit :sweep) where until <= :now);

delete from mq_sent
where seq in (select seq from (select seq, until from mq_sent order by seq limit 4) where until <= :now);

select outcomes from mq_sent where token = :token;
