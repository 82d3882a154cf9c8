-- Removes a key with everything that belongs to it.
-- Parameters: key
-- Returns: nothing.
delete from mq_dead where g in (select g from mq_group where k = (select k from mq_queue where name = :key));

delete from mq_sent where seq in (select seq from mq_id where k = (select k from mq_queue where name = :key));

delete from mq_message where k = (select k from mq_queue where name = :key);

delete from mq_scheduled where k = (select k from mq_queue where name = :key);

delete from mq_delivery where g in (select g from mq_group where k = (select k from mq_queue where name = :key));

delete from mq_id where k = (select k from mq_queue where name = :key);

delete from mq_group where k = (select k from mq_queue where name = :key);

delete from mq_queue where name = :key;
