-- Creates the tables of version 1.
-- Parameters: none
-- Returns: nothing.
--
-- A group reads the messages of its key through a cursor: a message that no group has reached has one row, whatever
-- the number of groups. What a group has reached and not settled has a row in mq_delivery.

-- One row. "base" is the first place of the batch that this transaction adds, "next" the first free one; "at" is the
-- latest time that a write has seen, in epoch milliseconds: a clock that was set back shows by it.
create table mq_meta (
  one integer primary key check (one = 1),
  version integer not null,
  base integer not null,
  next integer not null,
  at integer not null
) strict;

insert into mq_meta (one, version, base, next, at) values (1, 1, 0, 1, 0);

-- "length": messages that some group, or the first one to come, has yet to settle. "room": for how many more. "cutoff":
-- messages up to this place are dropped for newer ones.
create table mq_queue (
  k integer primary key,
  name text not null unique,
  length integer not null default 0,
  room integer not null default 0,
  cutoff integer not null default 0
) strict;

-- The group has seen all messages up to "cursor"; "previous" is where the cursor was before the last step.
create table mq_group (
  g integer primary key,
  k integer not null,
  name text not null,
  previous integer not null default 0,
  cursor integer not null default 0,
  unique (k, name)
) strict;

-- The messages in their order. "only": the group that a replayed message is for, else null. "visible": when it could be
-- delivered first, which is later than "at" where it was published with a delay.
create table mq_message (
  seq integer primary key,
  k integer not null,
  only integer,
  at integer not null,
  visible integer not null,
  expires integer,
  okey text,
  id text not null,
  headers text,
  body text not null
) strict;

create index mq_message_log on mq_message (k, seq, only, expires, okey);

create index mq_message_expiring on mq_message (k, expires) where expires is not null;

-- Published with a delay that is not over: such a message gets its place in the order when it is due.
create table mq_scheduled (
  seq integer primary key,
  k integer not null,
  due integer not null,
  at integer not null,
  expires integer,
  okey text,
  id text not null,
  headers text,
  body text not null
) strict;

create index mq_scheduled_due on mq_scheduled (k, due, seq);

create index mq_scheduled_log on mq_scheduled (k, seq);

create index mq_scheduled_expiring on mq_scheduled (k, expires) where expires is not null;

-- due = 0: deliverable. due > 0 with a lease: leased until then. due > 0 without: retried, deliverable from then on.
-- due = -1: waits behind an older message of its ordering key. "freed": when that wait was over, where there was one.
create table mq_delivery (
  g integer not null,
  seq integer not null,
  due integer not null,
  attempts integer not null,
  lease text,
  freed integer,
  okey text,
  primary key (g, seq)
) strict, without rowid;

create index mq_delivery_ready on mq_delivery (g, seq) where due = 0;

create index mq_delivery_due on mq_delivery (g, due) where due > 0;

create index mq_delivery_ordered on mq_delivery (g, okey, seq) where okey is not null;

-- Whatever removes the head of an ordering key makes the next message deliverable.
create trigger mq_delivery_next after delete on mq_delivery when old.okey is not null
begin
  update mq_delivery set due = 0, freed = (select at from mq_meta)
  where g = old.g and due = -1
    and seq = (select min(n.seq) from mq_delivery n where n.g = old.g and n.okey = old.okey);
end;

-- The ids that publishers chose. "seq": the place that the message got.
create table mq_id (
  seq integer primary key,
  k integer not null,
  id text not null,
  until integer not null,
  unique (k, id)
) strict;

-- The batches of the last minutes, to know one again whose answer was lost. "outcomes" has a letter for each message:
-- a (added), d (duplicate), f (full); empty where all were added.
create table mq_sent (
  seq integer primary key,
  token text not null unique,
  until integer not null,
  outcomes text not null
) strict;

create table mq_dead (
  n integer primary key autoincrement,
  g integer not null,
  at integer not null,
  died integer not null,
  attempts integer not null,
  cause_name text not null,
  cause_message text not null,
  okey text,
  id text not null,
  headers text,
  body text not null
) strict;

create index mq_dead_group on mq_dead (g, n);
