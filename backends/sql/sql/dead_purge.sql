-- Removes a group's oldest dead letters.
-- Parameters: g, ids, limit
-- ids: [n, …], or null for all
-- Returns: the number of each.
delete from mq_dead
where n in (
  select n from mq_dead
  where g = :g and (:ids is null or n in (select value from json_each(:ids)))
  order by n limit :limit
)
returning n;
