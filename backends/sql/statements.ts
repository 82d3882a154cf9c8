// deno-fmt-ignore-file
/**
 * The statements of the SQL engine, generated from `sql/*.sql` by `deno task scripts`. Do not edit.
 *
 * @module
 */
import type { StatementList } from "./port.ts";

/** Ends deliveries of one lease for good, where it lasts. */
export const ACK: StatementList = [
  {
    text: "delete from mq_delivery where g = ?1 and seq in (select value from json_each(?2)) and lease = ?3 and due > ?4 returning seq",
    params: ["g", "seqs", "token", "now"],
  },
];

/** Moves leases and delays back by as much as the clock was set back since the last write. */
export const CLOCK_BACK: StatementList = [
  {
    text: "update mq_delivery set due = max(1, due - (select at - ?1 from mq_meta)) where due > 0 and (select at - ?1 from mq_meta) > ?2",
    params: ["now", "tolerance"],
  },
  {
    text: "update mq_scheduled set due = due - (select at - ?1 from mq_meta) where (select at - ?1 from mq_meta) > ?2",
    params: ["now", "tolerance"],
  },
  {
    text: "update mq_meta set at = ?1 where at - ?1 > ?2",
    params: ["now", "tolerance"],
  },
];

/** Copies messages to the dead letters, where their leases last. */
export const DEAD: StatementList = [
  {
    text: "insert into mq_dead (g, at, died, attempts, cause_name, cause_message, okey, id, headers, body) select d.g, m.at, ?1, d.attempts, j.value ->> 2, j.value ->> 3, m.okey, m.id, m.headers, m.body from json_each(?2) j cross join mq_delivery d on d.g = ?3 and d.seq = j.value ->> 0 cross join mq_message m on m.seq = d.seq where d.lease = j.value ->> 1 and d.due > ?1",
    params: ["now", "leases", "g"],
  },
];

/** Reads the bodies of dead letters as bytes. */
export const DEAD_BODIES: StatementList = [
  {
    text: "select n as number, cast(body as blob) as body from mq_dead where n in (select value from json_each(?1))",
    params: ["numbers"],
  },
];

/** Reads a page of a group's dead letters, the oldest first. */
export const DEAD_LIST: StatementList = [
  {
    text: "select n, at, died, attempts, iif(instr(cause_name, char(0)) > 0, cast(cause_name as blob), cause_name) as cause_name, iif(instr(cause_message, char(0)) > 0, cast(cause_message as blob), cause_message) as cause_message, iif(instr(id, char(0)) > 0, cast(id as blob), id) as id, iif(instr(headers, char(0)) > 0, cast(headers as blob), headers) as headers, body, octet_length(body) as bytes from mq_dead where g = ?1 and n > ?2 and (?3 is null or n in (select value from json_each(?3))) order by n limit ?4",
    params: ["g", "after", "ids", "limit"],
  },
];

/** Removes a group's oldest dead letters. */
export const DEAD_PURGE: StatementList = [
  {
    text: "delete from mq_dead where n in (select n from mq_dead where g = ?1 and (?2 is null or n in (select value from json_each(?2))) order by n limit ?3) returning n",
    params: ["g", "ids", "limit"],
  },
];

/** Puts a group's oldest dead letters behind all that waits, for that group alone. */
export const DEAD_REPLAY: StatementList = [
  {
    text: "update mq_meta set base = next, next = next + ?1",
    params: ["limit"],
  },
  {
    text: "insert into mq_message (seq, k, only, at, visible, expires, okey, id, headers, body) select (select base from mq_meta) + row_number() over (order by n) - 1, ?1, ?2, at, ?3, null, okey, id, headers, body from (select * from mq_dead where g = ?2 and (?4 is null or n in (select value from json_each(?4))) order by n limit ?5)",
    params: ["k", "g", "now", "ids", "limit"],
  },
  {
    text: "update mq_queue set length = length + changes() where k = ?1",
    params: ["k"],
  },
  {
    text: "delete from mq_dead where n in (select n from mq_dead where g = ?1 and (?2 is null or n in (select value from json_each(?2))) order by n limit ?3) returning n",
    params: ["g", "ids", "limit"],
  },
];

/** Counts a group's messages by their state; a group that does not exist (null) sees all that is kept. */
export const DEPTH: StatementList = [
  {
    text: "with reached as (select d.okey, iif(d.lease is not null and d.due > ?1, 'leased', iif(d.due > ?1, 'delayed', iif(d.due = -1, 'behind', 'ready'))) as state from mq_delivery d cross join mq_message m on m.seq = d.seq where d.g = ?2 and (m.expires is null or m.expires > ?1 or d.lease is not null and d.due > ?1)), unread as (select m.okey, iif(m.okey is null, 'ready', 'behind') as state from mq_message m where m.k = ?3 and m.seq > coalesce((select cursor from mq_group where g = ?2), 0) and (m.only is null or m.only = ?2) and (m.expires is null or m.expires > ?1)), scheduled as (select iif(s.due > ?1, null, s.okey) as okey, iif(s.due > ?1, 'delayed', iif(s.okey is null, 'ready', 'behind')) as state from mq_scheduled s where s.k = ?3 and (s.expires is null or s.expires > ?1)), states as (select * from reached union all select * from unread union all select * from scheduled), free as (select count(*) as n from (select okey from states where okey is not null group by okey having min(state) = max(state) and min(state) = 'behind')) select coalesce(sum(state = 'ready'), 0) + (select n from free) as ready, coalesce(sum(state = 'leased'), 0) as leased, coalesce(sum(state = 'delayed'), 0) as delayed, coalesce(sum(state = 'behind'), 0) - (select n from free) as blocked, (select count(*) from mq_dead where g = ?2) as dead from states",
    params: ["now", "g", "k"],
  },
];

/** Tells for each group of a key what waits and whether a consumer has leased any of it; a null name stands for no group at all. */
export const DIAGNOSE: StatementList = [
  {
    text: "with q as (select k from mq_queue where name = ?1), groups as (select g, name, cursor from mq_group where k = (select k from q) union all select null, null, 0 where not exists (select 1 from mq_group where k = (select k from q))) select iif(instr(name, char(0)) > 0, cast(name as blob), name) as name, (select min(at) from (select * from (select m.at from mq_message m where m.k = (select k from q) and m.seq > groups.cursor and (m.only is null or m.only = groups.g) and (m.expires is null or m.expires > ?2) order by m.seq limit 1) union all select * from (select m.at from mq_delivery d cross join mq_message m on m.seq = d.seq where d.g = groups.g and d.due >= 0 and d.due <= ?2 order by d.seq limit 1))) as since, exists (select 1 from mq_delivery d where d.g = groups.g and d.lease is not null and d.due > ?2) as leased from groups",
    params: ["key", "now"],
  },
];

/** Removes a key with everything that belongs to it. */
export const DROP: StatementList = [
  {
    text: "delete from mq_dead where g in (select g from mq_group where k = (select k from mq_queue where name = ?1))",
    params: ["key"],
  },
  {
    text: "delete from mq_sent where seq in (select seq from mq_id where k = (select k from mq_queue where name = ?1))",
    params: ["key"],
  },
  {
    text: "delete from mq_message where k = (select k from mq_queue where name = ?1)",
    params: ["key"],
  },
  {
    text: "delete from mq_scheduled where k = (select k from mq_queue where name = ?1)",
    params: ["key"],
  },
  {
    text: "delete from mq_delivery where g in (select g from mq_group where k = (select k from mq_queue where name = ?1))",
    params: ["key"],
  },
  {
    text: "delete from mq_id where k = (select k from mq_queue where name = ?1)",
    params: ["key"],
  },
  {
    text: "delete from mq_group where k = (select k from mq_queue where name = ?1)",
    params: ["key"],
  },
  {
    text: "delete from mq_queue where name = ?1",
    params: ["key"],
  },
];

/** Removes messages whose time is over, but for those under a lease: they go when it ends. */
export const EXPIRE: StatementList = [
  {
    text: "delete from mq_delivery where (g, seq) in (select g.g, m.seq from (select e.seq from mq_message e indexed by mq_message_expiring where e.k = ?1 and e.expires <= ?2 and exists (select 1 from mq_group h cross join mq_delivery d on d.g = h.g and d.seq = e.seq where h.k = ?1 and (d.lease is null or d.due <= ?2)) order by e.expires limit ?3) m cross join mq_group g on g.k = ?1) and (lease is null or due <= ?2)",
    params: ["k", "now", "limit"],
  },
  {
    text: "delete from mq_message where seq in (select e.seq from mq_message e indexed by mq_message_expiring where e.k = ?1 and e.expires <= ?2 and not exists (select 1 from mq_group h cross join mq_delivery d on d.g = h.g and d.seq = e.seq where h.k = ?1) order by e.expires limit ?3)",
    params: ["k", "now", "limit"],
  },
  {
    text: "update mq_queue set length = length - changes() where k = ?1",
    params: ["k"],
  },
  {
    text: "delete from mq_scheduled where seq in (select seq from mq_scheduled indexed by mq_scheduled_expiring where k = ?1 and expires <= ?2 order by expires limit ?3)",
    params: ["k", "now", "limit"],
  },
  {
    text: "update mq_queue set length = length - changes() where k = ?1",
    params: ["k"],
  },
];

/** Makes leases end at another time, where they last. */
export const EXTEND: StatementList = [
  {
    text: "update mq_delivery set due = ?1 where g = ?2 and seq in (select d.seq from json_each(?3) j cross join mq_delivery d on d.g = ?2 and d.seq = j.value ->> 0 where d.lease = j.value ->> 1 and d.due > ?4) returning seq",
    params: ["until", "g", "leases", "now"],
  },
];

/** Finds a key and a group of it, and creates nothing. */
export const FIND: StatementList = [
  {
    text: "select q.k, g.g from mq_queue q left join mq_group g on g.k = q.k and g.name = ?1 where q.name = ?2",
    params: ["group", "key"],
  },
];

/** Removes messages that no group needs any more, among those that were settled. */
export const FREE: StatementList = [
  {
    text: "delete from mq_message where seq in (select value from json_each(?1)) and not exists (select 1 from mq_group g cross join mq_delivery d on d.g = g.g and d.seq = mq_message.seq where g.k = ?2) and (only is not null or not exists (select 1 from mq_group g where g.k = ?2 and g.cursor < mq_message.seq))",
    params: ["seqs", "k"],
  },
  {
    text: "update mq_queue set length = length - changes() where k = ?1",
    params: ["k"],
  },
];

/** Creates a key and a group of it, where they are new. */
export const GROUP: StatementList = [
  {
    text: "insert or ignore into mq_queue (name) values (?1)",
    params: ["key"],
  },
  {
    text: "insert or ignore into mq_group (k, name) select k, ?1 from mq_queue where name = ?2",
    params: ["group", "key"],
  },
  {
    text: "select g.k, g.g from mq_queue q cross join mq_group g on g.k = q.k where q.name = ?1 and g.name = ?2",
    params: ["key", "group"],
  },
];

/** Names the groups of a key. */
export const INSPECT_GROUPS: StatementList = [
  {
    text: "select iif(instr(name, char(0)) > 0, cast(name as blob), name) as name from mq_group where k = (select k from mq_queue where name = ?1) order by g",
    params: ["key"],
  },
];

/** Names the keys that have been used, in the order of their names. */
export const INSPECT_KEYS: StatementList = [
  {
    text: "select iif(instr(name, char(0)) > 0, cast(name as blob), name) as name from mq_queue where ?1 is null or name > ?1 order by mq_queue.name limit ?2",
    params: ["after", "limit"],
  },
];

/** Finds when the oldest message was published that a group has not settled; a group that does not exist (null) has settled nothing. */
export const INSPECT_OLDEST: StatementList = [
  {
    text: "select min(at) as at from (select m.at from mq_delivery d cross join mq_message m on m.seq = d.seq where d.g = ?1 and (m.expires is null or m.expires > ?2 or d.lease is not null and d.due > ?2) union all select * from (select m.at from mq_message m where m.k = ?3 and m.seq > coalesce((select cursor from mq_group where g = ?1), 0) and (m.only is null or m.only = ?1) and (m.expires is null or m.expires > ?2) order by m.seq limit 1) union all select s.at from mq_scheduled s where s.k = ?3 and (s.expires is null or s.expires > ?2))",
    params: ["g", "now", "k"],
  },
];

/** Reads the first messages that a group has not settled: those that it has reached, those that it has not, and those that are published with a delay; a group that does not exist (null) has reached none. */
export const INSPECT_PEEK: StatementList = [
  {
    text: "select m.seq, d.attempts, iif(d.lease is not null and d.due > ?1, 'inFlight', iif(d.due > ?1, 'delayed', iif(d.due = -1, 'behind', 'ready'))) as state, 1 as held, m.at, iif(instr(m.okey, char(0)) > 0, cast(m.okey as blob), m.okey) as okey, iif(instr(m.id, char(0)) > 0, cast(m.id as blob), m.id) as id, iif(instr(m.headers, char(0)) > 0, cast(m.headers as blob), m.headers) as headers, m.body, octet_length(m.body) as bytes from mq_delivery d cross join mq_message m on m.seq = d.seq where d.g = ?2 and (m.expires is null or m.expires > ?1 or d.lease is not null and d.due > ?1) order by d.seq limit ?3",
    params: ["now", "g", "limit"],
  },
  {
    text: "select m.seq, 0 as attempts, iif(m.okey is null, 'ready', 'behind') as state, exists (select 1 from mq_delivery d where d.g = ?1 and d.okey = m.okey) as held, m.at, iif(instr(m.okey, char(0)) > 0, cast(m.okey as blob), m.okey) as okey, iif(instr(m.id, char(0)) > 0, cast(m.id as blob), m.id) as id, iif(instr(m.headers, char(0)) > 0, cast(m.headers as blob), m.headers) as headers, m.body, octet_length(m.body) as bytes from mq_message m where m.k = ?2 and m.seq > coalesce((select cursor from mq_group where g = ?1), 0) and (m.only is null or m.only = ?1) and (m.expires is null or m.expires > ?3) order by m.seq limit ?4",
    params: ["g", "k", "now", "limit"],
  },
  {
    text: "select s.seq, 0 as attempts, iif(s.due > ?1, 'delayed', iif(s.okey is null, 'ready', 'behind')) as state, exists (select 1 from mq_delivery d where d.g = ?2 and d.okey = s.okey) as held, s.at, iif(instr(s.okey, char(0)) > 0, cast(s.okey as blob), s.okey) as okey, iif(instr(s.id, char(0)) > 0, cast(s.id as blob), s.id) as id, iif(instr(s.headers, char(0)) > 0, cast(s.headers as blob), s.headers) as headers, s.body, octet_length(s.body) as bytes from mq_scheduled s where s.k = ?3 and (s.expires is null or s.expires > ?1) order by s.due, s.seq limit ?4",
    params: ["now", "g", "k", "limit"],
  },
];

/** Leases messages of a group: first those that it has seen before, then those that follow its cursor. */
export const LEASE: StatementList = [
  {
    text: "update mq_meta set at = max(at, ?1)",
    params: ["now"],
  },
  {
    text: "update mq_delivery set due = ?1, lease = ?2, attempts = attempts + 1 where g = ?3 and seq in (select d.seq from mq_delivery d indexed by mq_delivery_ready where d.g = ?3 and d.due = 0 and not exists (select 1 from mq_message m where m.seq = d.seq and m.expires <= ?4) order by d.seq limit ?5)",
    params: ["until", "token", "g", "now", "max"],
  },
  {
    text: "update mq_group set previous = cursor, cursor = coalesce((select max(seq) from (select seq from mq_message where k = ?1 and seq > mq_group.cursor and (only is null or only = ?2) order by seq limit max(0, ?3 - changes()))), cursor) where g = ?2",
    params: ["k", "g", "max"],
  },
  {
    text: "insert into mq_delivery (g, seq, due, attempts, lease, okey) select ?1, m.seq, iif(m.okey is null, ?2, -1), iif(m.okey is null, 1, 0), iif(m.okey is null, ?3, null), m.okey from mq_group g cross join mq_message m on m.k = ?4 and m.seq > g.previous and m.seq <= g.cursor where g.g = ?1 and (m.only is null or m.only = ?1) and (m.expires is null or m.expires > ?5)",
    params: ["g", "until", "token", "k", "now"],
  },
  {
    text: "update mq_delivery set due = ?1, lease = ?2, attempts = 1 where g = ?3 and due = -1 and seq in (select (select min(n.seq) from mq_delivery n where n.g = ?3 and n.okey = d.okey) from mq_group g cross join mq_delivery d on d.g = g.g and d.seq > g.previous and d.seq <= g.cursor where g.g = ?3 and d.okey is not null)",
    params: ["until", "token", "g"],
  },
  {
    text: "select cursor - previous as moved from mq_group where g = ?1",
    params: ["g"],
  },
  {
    text: "select d.seq, d.attempts, m.at, iif(d.attempts = 1 and d.freed > m.visible, d.freed - m.visible, null) as blocked, iif(instr(m.okey, char(0)) > 0, cast(m.okey as blob), m.okey) as okey, iif(instr(m.id, char(0)) > 0, cast(m.id as blob), m.id) as id, m.headers, m.body, octet_length(m.body) as bytes from mq_delivery d indexed by mq_delivery_due cross join mq_message m on m.seq = d.seq where d.g = ?1 and d.due = ?2 and d.due > 0 and d.lease = ?3 order by d.seq",
    params: ["g", "until", "token"],
  },
];

/** Reads the bodies of messages as bytes. */
export const MESSAGE_BODIES: StatementList = [
  {
    text: "select seq as number, cast(body as blob) as body from mq_message where seq in (select value from json_each(?1))",
    params: ["numbers"],
  },
];

/** Reads the version of the tables. */
export const PING: StatementList = [
  {
    text: "select version from mq_meta",
    params: [],
  },
];

/** Looks, without a lock, whether a group has something to do. */
export const PROBE: StatementList = [
  {
    text: "select (select at from mq_meta) as at, exists (select 1 from mq_delivery indexed by mq_delivery_ready where g = ?1 and due = 0) or exists (select 1 from mq_message where k = ?2 and seq > (select cursor from mq_group where g = ?1) and (only is null or only = ?1)) as ready, exists (select 1 from mq_message e indexed by mq_message_expiring where e.k = ?2 and e.expires <= ?3 and (not exists (select 1 from mq_group h cross join mq_delivery d on d.g = h.g and d.seq = e.seq where h.k = ?2) or exists (select 1 from mq_group h cross join mq_delivery d on d.g = h.g and d.seq = e.seq where h.k = ?2 and (d.lease is null or d.due <= ?3)))) or exists (select 1 from mq_scheduled indexed by mq_scheduled_expiring where k = ?2 and expires <= ?3) as expired, (select min(due) from mq_scheduled where k = ?2) as scheduled, (select min(due) from mq_delivery indexed by mq_delivery_due where g = ?1 and due > 0) as due, (select min(expires) from mq_message indexed by mq_message_expiring where k = ?2 and expires > ?3) as expires",
    params: ["g", "k", "now"],
  },
];

/** Gives the delayed messages that are due their places, in the order of their times. */
export const PROMOTE: StatementList = [
  {
    text: "update mq_meta set base = next, next = next + ?1 where exists (select 1 from mq_scheduled where k = ?2 and due <= ?3)",
    params: ["limit", "k", "now"],
  },
  {
    text: "insert into mq_message (seq, k, only, at, visible, expires, okey, id, headers, body) select (select base from mq_meta) + row_number() over (order by due, seq) - 1, k, null, at, due, expires, okey, id, headers, body from (select * from mq_scheduled where k = ?1 and due <= ?2 order by due, seq limit ?3)",
    params: ["k", "now", "limit"],
  },
  {
    text: "delete from mq_scheduled where seq in (select seq from mq_scheduled where k = ?1 and due <= ?2 order by due, seq limit ?3)",
    params: ["k", "now", "limit"],
  },
];

/** Moves a group's cursor past many messages at once: where most wait behind others of their ordering keys. */
export const PULL: StatementList = [
  {
    text: "update mq_group set previous = cursor, cursor = coalesce((select max(seq) from (select seq from mq_message where k = ?1 and seq > mq_group.cursor and (only is null or only = ?2) order by seq limit ?3)), cursor) where g = ?2",
    params: ["k", "g", "limit"],
  },
  {
    text: "insert into mq_delivery (g, seq, due, attempts, lease, okey) select ?1, m.seq, iif(m.okey is null, 0, -1), 0, null, m.okey from mq_group g cross join mq_message m on m.k = ?2 and m.seq > g.previous and m.seq <= g.cursor where g.g = ?1 and (m.only is null or m.only = ?1) and (m.expires is null or m.expires > ?3)",
    params: ["g", "k", "now"],
  },
  {
    text: "update mq_delivery set due = 0 where g = ?1 and due = -1 and seq in (select (select min(n.seq) from mq_delivery n where n.g = ?1 and n.okey = d.okey) from mq_group g cross join mq_delivery d on d.g = g.g and d.seq > g.previous and d.seq <= g.cursor where g.g = ?1 and d.okey is not null)",
    params: ["g"],
  },
];

/** Creates a key, where it is new. */
export const QUEUE: StatementList = [
  {
    text: "insert or ignore into mq_queue (name) values (?1)",
    params: ["key"],
  },
  {
    text: "select k from mq_queue where name = ?1",
    params: ["key"],
  },
];

/** Gives messages back at once, the attempt not counted. */
export const RELEASE: StatementList = [
  {
    text: "update mq_delivery set due = 0, lease = null, attempts = attempts - 1 where g = ?1 and seq in (select d.seq from json_each(?2) j cross join mq_delivery d on d.g = ?1 and d.seq = j.value ->> 0 where d.lease = j.value ->> 1 and d.due > ?3) returning seq",
    params: ["g", "leases", "now"],
  },
];

/** Gives messages back, deliverable from a time on, the attempt counted. */
export const RETRY: StatementList = [
  {
    text: "insert into mq_delivery (g, seq, due, attempts, lease, okey) select d.g, d.seq, j.value ->> 2, d.attempts, null, d.okey from json_each(?1) j cross join mq_delivery d on d.g = ?2 and d.seq = j.value ->> 0 where d.lease = j.value ->> 1 and d.due > ?3 on conflict (g, seq) do update set due = excluded.due, lease = null returning seq",
    params: ["leases", "g", "now"],
  },
];

/** Brings back what is due: leases that have run out, and retries whose delay is over. */
export const RETURN: StatementList = [
  {
    text: "update mq_delivery set due = 0, lease = null where g = ?1 and seq in (select seq from mq_delivery indexed by mq_delivery_due where g = ?1 and due > 0 and due <= ?2 order by due limit ?3)",
    params: ["g", "now", "limit"],
  },
];

/** Creates the tables of version 1. */
export const SCHEMA: StatementList = [
  {
    text: "create table mq_meta (one integer primary key check (one = 1), version integer not null, base integer not null, next integer not null, at integer not null) strict",
    params: [],
  },
  {
    text: "insert into mq_meta (one, version, base, next, at) values (1, 1, 0, 1, 0)",
    params: [],
  },
  {
    text: "create table mq_queue (k integer primary key, name text not null unique, length integer not null default 0, room integer not null default 0, cutoff integer not null default 0) strict",
    params: [],
  },
  {
    text: "create table mq_group (g integer primary key, k integer not null, name text not null, previous integer not null default 0, cursor integer not null default 0, unique (k, name)) strict",
    params: [],
  },
  {
    text: "create table mq_message (seq integer primary key, k integer not null, only integer, at integer not null, visible integer not null, expires integer, okey text, id text not null, headers text, body text not null) strict",
    params: [],
  },
  {
    text: "create index mq_message_log on mq_message (k, seq, only, expires, okey)",
    params: [],
  },
  {
    text: "create index mq_message_expiring on mq_message (k, expires) where expires is not null",
    params: [],
  },
  {
    text: "create table mq_scheduled (seq integer primary key, k integer not null, due integer not null, at integer not null, expires integer, okey text, id text not null, headers text, body text not null) strict",
    params: [],
  },
  {
    text: "create index mq_scheduled_due on mq_scheduled (k, due, seq)",
    params: [],
  },
  {
    text: "create index mq_scheduled_log on mq_scheduled (k, seq)",
    params: [],
  },
  {
    text: "create index mq_scheduled_expiring on mq_scheduled (k, expires) where expires is not null",
    params: [],
  },
  {
    text: "create table mq_delivery (g integer not null, seq integer not null, due integer not null, attempts integer not null, lease text, freed integer, okey text, primary key (g, seq)) strict, without rowid",
    params: [],
  },
  {
    text: "create index mq_delivery_ready on mq_delivery (g, seq) where due = 0",
    params: [],
  },
  {
    text: "create index mq_delivery_due on mq_delivery (g, due) where due > 0",
    params: [],
  },
  {
    text: "create index mq_delivery_ordered on mq_delivery (g, okey, seq) where okey is not null",
    params: [],
  },
  {
    text: "create trigger mq_delivery_next after delete on mq_delivery when old.okey is not null begin update mq_delivery set due = 0, freed = (select at from mq_meta) where g = old.g and due = -1 and seq = (select min(n.seq) from mq_delivery n where n.g = old.g and n.okey = old.okey); end",
    params: [],
  },
  {
    text: "create table mq_id (seq integer primary key, k integer not null, id text not null, until integer not null, unique (k, id)) strict",
    params: [],
  },
  {
    text: "create table mq_sent (seq integer primary key, token text not null unique, until integer not null, outcomes text not null) strict",
    params: [],
  },
  {
    text: "create table mq_dead (n integer primary key autoincrement, g integer not null, at integer not null, died integer not null, attempts integer not null, cause_name text not null, cause_message text not null, okey text, id text not null, headers text, body text not null) strict",
    params: [],
  },
  {
    text: "create index mq_dead_group on mq_dead (g, n)",
    params: [],
  },
];

/** Takes places for a batch, remembers the ids that its publishers chose, and counts the room that there is. */
export const SEND_BEGIN: StatementList = [
  {
    text: "update mq_meta set base = next, next = next + ?1, at = max(at, ?2) where not exists (select 1 from mq_sent where token = ?3)",
    params: ["count", "now", "token"],
  },
  {
    text: "update mq_queue set room = max(0, ?1 - length) where k = ?2 and not exists (select 1 from mq_sent where token = ?3)",
    params: ["max", "k", "token"],
  },
  {
    text: "insert into mq_id (seq, k, id, until) select (select base from mq_meta) + j.key, ?1, j.value ->> 0, ?2 from json_each(?3) j where j.value ->> 1 and not exists (select 1 from mq_sent where token = ?4) on conflict (k, id) do update set seq = excluded.seq, until = excluded.until where until <= ?5",
    params: ["k", "until", "meta", "token", "now"],
  },
];

/** Adds a batch of which nothing can be refused: no chosen ids, no bound, no delays. */
export const SEND_PLAIN: StatementList = [
  {
    text: "update mq_meta set base = next, next = next + ?1, at = max(at, ?2) where not exists (select 1 from mq_sent where token = ?3)",
    params: ["count", "now", "token"],
  },
  {
    text: "insert into mq_message (seq, k, only, at, visible, expires, okey, id, headers, body) select (select base from mq_meta) + j.key, ?1, null, ?2, ?2, j.value ->> 4, j.value ->> 2, j.value ->> 0, j.value ->> 5, j.value ->> 6 from json_each(?3) j where not exists (select 1 from mq_sent where token = ?4)",
    params: ["k", "now", "rows", "token"],
  },
  {
    text: "update mq_queue set length = length + changes() where k = ?1",
    params: ["k"],
  },
  {
    text: "insert or ignore into mq_sent (seq, token, until, outcomes) select base, ?1, ?2, '' from mq_meta",
    params: ["token", "keep"],
  },
  {
    text: "delete from mq_sent where seq in (select seq from (select seq, until from mq_sent order by seq limit 4) where until <= ?1)",
    params: ["now"],
  },
  {
    text: "select outcomes from mq_sent where token = ?1",
    params: ["token"],
  },
];

/** Adds those of a batch that are no duplicates, as far as there is room: with a delay, and without. */
export const SEND_ROWS: StatementList = [
  {
    text: "insert into mq_message (seq, k, only, at, visible, expires, okey, id, headers, body) select (select base from mq_meta) + j.key, ?1, null, ?2, ?2, j.value ->> 4, j.value ->> 2, j.value ->> 0, j.value ->> 5, j.value ->> 6 from json_each(?3) j where j.value ->> 3 is null and not exists (select 1 from mq_sent where token = ?4) and j.key in (select i.key from json_each(?5) i where i.value ->> 1 = 0 or (select base from mq_meta) + i.key = (select seq from mq_id where k = ?1 and id = i.value ->> 0) order by i.key limit (select room from mq_queue where k = ?1))",
    params: ["k", "now", "rows", "token", "meta"],
  },
  {
    text: "update mq_queue set length = length + changes() where k = ?1",
    params: ["k"],
  },
  {
    text: "insert into mq_scheduled (seq, k, due, at, expires, okey, id, headers, body) select (select base from mq_meta) + j.key, ?1, j.value ->> 3, ?2, j.value ->> 4, j.value ->> 2, j.value ->> 0, j.value ->> 5, j.value ->> 6 from json_each(?3) j where j.value ->> 3 is not null and not exists (select 1 from mq_sent where token = ?4) and j.key in (select i.key from json_each(?5) i where i.value ->> 1 = 0 or (select base from mq_meta) + i.key = (select seq from mq_id where k = ?1 and id = i.value ->> 0) order by i.key limit (select room from mq_queue where k = ?1))",
    params: ["k", "now", "rows", "token", "meta"],
  },
  {
    text: "update mq_queue set length = length + changes() where k = ?1",
    params: ["k"],
  },
  {
    text: "delete from mq_id where seq in (select (select base from mq_meta) + i.key from json_each(?1) i where not exists (select 1 from mq_sent where token = ?2)) and not exists (select 1 from mq_message m where m.seq = mq_id.seq) and not exists (select 1 from mq_scheduled s where s.seq = mq_id.seq)",
    params: ["meta", "token"],
  },
  {
    text: "insert or ignore into mq_sent (seq, token, until, outcomes) select base, ?1, ?2, (select group_concat(case when exists (select 1 from mq_message m where m.seq = base + j.key) then 'a' when exists (select 1 from mq_scheduled s where s.seq = base + j.key) then 'a' when j.value ->> 1 and exists (select 1 from mq_id d where d.k = ?3 and d.id = j.value ->> 0) then 'd' else 'f' end, '') from json_each(?4) j) from mq_meta",
    params: ["token", "keep", "k", "meta"],
  },
  {
    text: "delete from mq_id where seq in (select seq from (select seq, until from mq_id order by seq limit ?1) where until <= ?2)",
    params: ["sweep", "now"],
  },
  {
    text: "delete from mq_sent where seq in (select seq from (select seq, until from mq_sent order by seq limit 4) where until <= ?1)",
    params: ["now"],
  },
  {
    text: "select outcomes from mq_sent where token = ?1",
    params: ["token"],
  },
];

/** Notes the time, for what happens next. */
export const TOUCH: StatementList = [
  {
    text: "update mq_meta set at = max(at, ?1)",
    params: ["now"],
  },
];

/** Drops the oldest messages of a key that is over its bound, the delayed ones among them: those that nobody holds under a lease. */
export const TRIM: StatementList = [
  {
    text: "update mq_queue set cutoff = coalesce((select max(seq) from (select m.seq from mq_message m where m.k = ?1 and not exists (select 1 from mq_group g cross join mq_delivery d on d.g = g.g and d.seq = m.seq where g.k = ?1 and d.lease is not null and d.due > ?2) union all select s.seq from mq_scheduled s where s.k = ?1 order by 1 limit (select max(0, length - ?3) from mq_queue where k = ?1))), 0) where k = ?1",
    params: ["k", "now", "max"],
  },
  {
    text: "delete from mq_delivery where (g, seq) in (select g.g, m.seq from mq_queue q cross join mq_message m on m.k = ?1 and m.seq <= q.cutoff cross join mq_group g on g.k = ?1 where q.k = ?1 and not exists (select 1 from mq_group h cross join mq_delivery d on d.g = h.g and d.seq = m.seq where h.k = ?1 and d.lease is not null and d.due > ?2))",
    params: ["k", "now"],
  },
  {
    text: "delete from mq_message where seq in (select m.seq from mq_queue q cross join mq_message m on m.k = ?1 and m.seq <= q.cutoff where q.k = ?1 and not exists (select 1 from mq_group g cross join mq_delivery d on d.g = g.g and d.seq = m.seq where g.k = ?1 and d.lease is not null and d.due > ?2))",
    params: ["k", "now"],
  },
  {
    text: "update mq_queue set length = length - changes() where k = ?1",
    params: ["k"],
  },
  {
    text: "delete from mq_scheduled indexed by mq_scheduled_log where k = ?1 and seq <= (select cutoff from mq_queue where k = ?1)",
    params: ["k"],
  },
  {
    text: "update mq_queue set length = length - changes() where k = ?1",
    params: ["k"],
  },
];
