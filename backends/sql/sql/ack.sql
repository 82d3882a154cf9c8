-- Ends deliveries of one lease for good, where it lasts.
-- Parameters: g, token, seqs, now
-- seqs: [seq, …]
-- Returns: the seq of each that was ended.
delete from mq_delivery
where g = :g and seq in (select value from json_each(:seqs)) and lease = :token and due > :now
returning seq;
