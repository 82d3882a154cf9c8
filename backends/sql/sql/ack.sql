-- Ends deliveries for good, where their leases last.
-- Parameters: g, leases, now
-- leases: [[seq, token], …]
-- Returns: the seq of each that was ended.
delete from mq_delivery
where g = :g and seq in (
  select d.seq
  from json_each(:leases) j cross join mq_delivery d on d.g = :g and d.seq = j.value ->> 0
  where d.lease = j.value ->> 1 and d.due > :now
)
returning seq;
