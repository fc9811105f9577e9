"""Reads a query log as strict JSON, line by line: prints NAME TYPE CLASS RCODE SOURCE TRANSPORT
SERVER of each, "-" for what is not there, and fails at the first line that is not right."""

import datetime
import json
import sys

KEYS = {"time", "client", "transport", "name", "type", "class", "rcode", "source", "us", "server"}


def unique(pairs):
    keys = [key for key, _ in pairs]
    assert len(keys) == len(set(keys)), keys
    return dict(pairs)


with open(sys.argv[1], "rb") as file:
    content = file.read()
assert content == b"" or content.endswith(b"\n"), "the last line has no end"
for line in content.split(b"\n")[:-1]:
    assert all(0x20 <= octet < 0x7F for octet in line), line
    entry = json.loads(line, object_pairs_hook=unique)
    assert set(entry) <= KEYS, entry
    written = datetime.datetime.strptime(entry["time"], "%Y-%m-%dT%H:%M:%S.%fZ")
    age = datetime.datetime.utcnow() - written
    assert abs(age) < datetime.timedelta(minutes=10), entry
    assert entry["client"].startswith("127.0.0.1:"), entry
    assert isinstance(entry["us"], int) and 0 <= entry["us"] < 60_000_000, entry
    print(*(entry.get(key, "-") for key in
            ("name", "type", "class", "rcode", "source", "transport", "server")))
