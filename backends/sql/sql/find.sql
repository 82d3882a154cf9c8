-- Finds a key and a group of it, and creates nothing.
-- Parameters: key, group
-- Returns: k and g, which is null where there is no such group; no row where there is no such key.
select q.k, g.g from mq_queue q left join mq_group g on g.k = q.k and g.name = :group where q.name = :key;
