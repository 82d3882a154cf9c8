-- Reads the bodies of messages as bytes.
-- Parameters: numbers
-- numbers: [seq, …]
-- Returns: the number of each message, and its body.
select seq as number, cast(body as blob) as body from mq_message where seq in (select value from json_each(:numbers));
