-- Gives messages back, deliverable from a time on, the attempt counted.
-- Parameters: g, leases, now
-- leases: [[seq, token, due], …], due 0: at once
-- Returns: the seq of each that was given back.
--
-- Written as an insert that always finds its row: a plain update may look through the whole group for each lease.
insert into mq_delivery (g, seq, due, attempts, lease, okey)
select d.g, d.seq, j.value ->> 2, d.attempts, null, d.okey
from json_each(:leases) j cross join mq_delivery d on d.g = :g and d.seq = j.value ->> 0
where d.lease = j.value ->> 1 and d.due > :now
on conflict (g, seq) do update set due = excluded.due, lease = null
returning seq;
