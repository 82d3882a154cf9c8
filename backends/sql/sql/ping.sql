-- Reads the version of the tables.
-- Parameters: none
-- Returns: the version of the tables.
select version from mq_meta;
