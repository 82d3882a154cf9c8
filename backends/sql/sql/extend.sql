-- Makes leases end at another time, where they last.
-- Parameters: g, leases, now, until
-- leases: [[seq, token], …]
-- Returns: the seq of each that was extended.
update mq_delivery set due = :until
where g = :g and seq in (
  select d.seq
  from json_each(:leases) j cross join mq_delivery d on d.g = :g and d.seq = j.value ->> 0
  where d.lease = j.value ->> 1 and d.due > :now
)
returning seq;
