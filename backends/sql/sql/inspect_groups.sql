-- Names the groups of a key.
-- Parameters: key
-- Returns: a name in each row.
select text(name) as name from mq_group where k = (select k from mq_queue where name = :key) order by g;
