-- Reads the bodies of dead letters as bytes.
-- Parameters: numbers
-- numbers: [n, …]
-- Returns: the number of each letter, and its body.
select n as number, cast(body as blob) as body from mq_dead where n in (select value from json_each(:numbers));
