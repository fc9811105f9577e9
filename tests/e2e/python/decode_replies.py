#!/usr/bin/env python3
"""Decodes replies with dnspython, strictly: decode_replies.py FILE.

The file holds messages as they go over TCP: each behind its length. Exits with 1 and names those
that dnspython does not decode, or that do not come out of it as they went in.
"""

import sys

import dns.message
import dns.opcode


def messages(octets):
    at = 0
    while at < len(octets):
        size = int.from_bytes(octets[at : at + 2], "big")
        yield octets[at + 2 : at + 2 + size]
        at += 2 + size


# The opcodes whose messages dnspython reads like a QUERY's. It does not know the unassigned ones, and
# takes an UPDATE's question for a zone section; ours is the echo of what we do not implement.
READ_AS_THEY_ARE = (dns.opcode.QUERY, dns.opcode.IQUERY, dns.opcode.STATUS, dns.opcode.NOTIFY)


def decode(octets):
    if len(octets) > 2 and octets[2] >> 3 & 15 not in READ_AS_THEY_ARE:
        octets = octets[:2] + bytes([octets[2] & 0x87]) + octets[3:]
    message = dns.message.from_wire(octets)
    again = dns.message.from_wire(message.to_wire())
    if again != message or (again.flags, again.ednsflags) != (message.flags, message.ednsflags):
        raise ValueError("decoded again, it is another message")


def main():
    failures = 0
    with open(sys.argv[1], "rb") as file:
        content = file.read()
    for octets in messages(content):
        try:
            decode(octets)
        except Exception as error:  # whatever a decoder may raise
            failures += 1
            print(f"dnspython: {type(error).__name__}: {error}: {octets.hex()}", file=sys.stderr)
    sys.exit(1 if failures else 0)


main()
