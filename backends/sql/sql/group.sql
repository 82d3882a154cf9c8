-- Creates a key and a group of it, where they are new. A new group starts before the oldest message.
-- Parameters: key, group
-- Returns: k and g.
insert or ignore into mq_queue (name) values (:key);

insert or ignore into mq_group (k, name) select k, :group from mq_queue where name = :key;

select g.k, g.g from mq_queue q cross join mq_group g on g.k = q.k where q.name = :key and g.name = :group;
