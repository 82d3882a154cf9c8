-- Gives messages back at once, the attempt not counted.
-- Parameters: g, leases, now
-- leases: [[seq, token], …]
-- Returns: the seq of each that was given back.
update mq_delivery set due = 0, lease = null, attempts = attempts - 1
where g = :g and seq in (
  select d.seq
  from json_each(:leases) j cross join mq_delivery d on d.g = :g and d.seq = j.value ->> 0
  where d.lease = j.value ->> 1 and d.due > :now
)
returning seq;
