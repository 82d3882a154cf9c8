"""What the Redis plugin of the Python Slack MCP Server puts on the wire, with nothing but a socket.

    python3 python_plugin.py PORT publish KEY        # reads payloads from standard input, one JSON line each
    python3 python_plugin.py PORT consume GROUP N    # writes N payloads to standard output, then ends
    python3 python_plugin.py PORT follow SECONDS N   # the same without a group, its default; SECONDS for each payload

It publishes with XADD, the payload in the field `data`, trimming by count. It consumes every key that matches `slack:*` as
a stream, acknowledges a message before it hands it over, and skips what is not JSON. Without a group it reads what comes
after it has found the stream, ten entries at a time, and no more until its handler is done with all of them.
"""

import json
import socket
import sys
import time


class Redis:
    def __init__(self, port):
        self.file = socket.create_connection(("127.0.0.1", port)).makefile("rwb")

    def call(self, *args):
        parts = [a if isinstance(a, bytes) else str(a).encode() for a in args]
        self.file.write(b"*%d\r\n" % len(parts))
        for part in parts:
            self.file.write(b"$%d\r\n%s\r\n" % (len(part), part))
        self.file.flush()
        return self.read()

    def read(self):
        line = self.file.readline()[:-2]
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest
        if kind == b"-":
            return RuntimeError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        return None if rest == b"-1" else [self.read() for _ in range(int(rest))]


def publish(redis, key):
    for line in sys.stdin:
        answer = redis.call("XADD", key, "MAXLEN", "~", 10000, "*", "data", json.dumps(json.loads(line)))
        if isinstance(answer, RuntimeError):
            raise answer


def consume(redis, group, wanted):
    seen = 0
    while seen < wanted:
        keys = redis.call("KEYS", "slack:*")
        for key in keys:
            made = redis.call("XGROUP", "CREATE", key, group, "0", "MKSTREAM")
            if isinstance(made, RuntimeError) and "BUSYGROUP" not in str(made):
                raise made  # a key that matches the pattern and is no stream
        if not keys:
            continue
        streams = redis.call(
            "XREADGROUP", "GROUP", group, "python", "COUNT", 10, "BLOCK", 1000, "STREAMS", *keys, *([b">"] * len(keys))
        )
        if isinstance(streams, RuntimeError):
            raise streams
        for key, entries in streams or []:
            for entry, flat in entries:
                fields = dict(zip(flat[::2], flat[1::2]))
                redis.call("XACK", key, group, entry)
                try:
                    payload = json.loads(fields[b"data"])
                except (KeyError, ValueError):
                    continue
                print(json.dumps({"key": key.decode(), "payload": payload}), flush=True)
                seen += 1


def follow(redis, seconds, wanted):
    seen = 0
    last = {}
    while seen < wanted:
        for key in redis.call("KEYS", "slack:*"):
            last.setdefault(key, b"$")
        if not last:
            time.sleep(0.05)
            continue
        streams = redis.call("XREAD", "COUNT", 10, "BLOCK", 1000, "STREAMS", *last, *last.values())
        for key, entries in streams or []:
            for entry, flat in entries:
                last[key] = entry
                payload = json.loads(dict(zip(flat[::2], flat[1::2]))[b"data"])
                print(json.dumps({"key": key.decode(), "payload": payload}), flush=True)
                seen += 1
                time.sleep(seconds)


if __name__ == "__main__":
    port, what, *rest = sys.argv[1:]
    if what == "publish":
        publish(Redis(int(port)), rest[0])
    elif what == "follow":
        follow(Redis(int(port)), float(rest[0]), int(rest[1]))
    else:
        consume(Redis(int(port)), rest[0], int(rest[1]))
