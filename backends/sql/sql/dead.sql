-- Copies messages to the dead letters, where their leases last. The lists "ack" follow and end their deliveries.
-- Parameters: g, leases, now
-- leases: [[seq, token, name of the cause, its message], …]
-- Returns: nothing.
insert into mq_dead (g, at, died, attempts, cause_name, cause_message, okey, id, headers, body)
select d.g, m.at, :now, d.attempts, j.value ->> 2, j.value ->> 3, m.okey, m.id, m.headers, m.body
from json_each(:leases) j
  cross join mq_delivery d on d.g = :g and d.seq = j.value ->> 0
  cross join mq_message m on m.seq = d.seq
where d.lease = j.value ->> 1 and d.due > :now;
