-- Names the keys that have been used, in the order of their names.
-- Parameters: after, limit
-- after: the last name of the page before, or null
-- Returns: a name in each row.
select text(name) as name from mq_queue where :after is null or name > :after order by mq_queue.name limit :limit;
