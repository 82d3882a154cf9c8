-- Creates a key, where it is new.
-- Parameters: key
-- Returns: k.
insert or ignore into mq_queue (name) values (:key);

select k from mq_queue where name = :key;
