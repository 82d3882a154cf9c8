-- Removes messages that no group needs any more, among those that were settled.
-- Parameters: k, seqs
-- seqs: [seq, …]
-- Returns: nothing.
delete from mq_message
where seq in (select value from json_each(:seqs))
  and not exists (
    select 1 from mq_group g cross join mq_delivery d on d.g = g.g and d.seq = mq_message.seq where g.k = :k
  )
  and (only is not null or not exists (select 1 from mq_group g where g.k = :k and g.cursor < mq_message.seq));

update mq_queue set length = length - changes() where k = :k;
