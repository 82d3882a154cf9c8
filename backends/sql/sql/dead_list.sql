-- Reads a page of a group's dead letters, the oldest first.
-- Parameters: g, after, ids, limit
-- ids: [n, …], or null for all
-- Returns: the letters after that number.
select n, at, died, attempts, text(cause_name) as cause_name, text(cause_message) as cause_message,
  text(id) as id, text(headers) as headers, body, octet_length(body) as bytes
from mq_dead
where g = :g and n > :after and (:ids is null or n in (select value from json_each(:ids)))
order by n limit :limit;
