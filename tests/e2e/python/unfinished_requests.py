#!/usr/bin/env python3
"""Begins requests and finishes none, in HTTP/2 of its own: gRPC's libraries send messages whole.

  unfinished_requests.py HOST:PORT STREAMS OCTETS

On one connection, STREAMS delta ADS streams each send a valid first request, begin a second one that
says it has OCTETS octets, and send all of it but the last. Prints how many octets that were, and ends
when the server has ended every stream.
"""

import socket
import struct
import sys

import ads_wire as ads

DATA, HEADERS, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE = 0, 1, 3, 4, 6, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4
INITIAL_WINDOW_SIZE = 4  # RFC 9113 section 6.5.2
DEFAULT_WINDOW = 65535
FRAME = 16384


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def header(name, value):
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def call_headers():
    return b"".join(header(name, value) for name, value in (
        (b":method", b"POST"), (b":scheme", b"http"), (b":path", ads.METHOD.encode()),
        (b":authority", b"test"), (b"te", b"trailers"), (b"content-type", b"application/grpc")))


def first_request():
    request = ads.DeltaDiscoveryRequest(type_url=ads.SERVICE, resource_names_subscribe=["default/none"])
    request.node.id = "default.unfinished"
    octets = request.SerializeToString()
    return b"\0" + struct.pack(">I", len(octets)) + octets


class Connection:
    def __init__(self, target, streams, octets):
        host, port = target.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=60)
        self.initial = DEFAULT_WINDOW
        self.windows = {0: DEFAULT_WINDOW}
        self.left = {}
        self.sent = 0
        self.came = b""
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0))
        for number in range(streams):
            stream = 2 * number + 1
            self.windows[stream] = self.initial
            self.left[stream] = octets - 1
            self.socket.sendall(frame(HEADERS, END_HEADERS, stream, call_headers()))
            self.send(stream, first_request() + b"\0" + struct.pack(">I", octets))

    def send(self, stream, octets):
        self.socket.sendall(frame(DATA, 0, stream, octets))
        self.windows[0] -= len(octets)
        self.windows[stream] -= len(octets)

    def send_what_fits(self):
        for stream in list(self.left):
            size = min(FRAME, self.left[stream], self.windows[0], self.windows[stream])
            if size > 0:
                self.send(stream, bytes(size))
                self.left[stream] -= size
                self.sent += size

    def may_send(self):
        return self.windows[0] > 0 and any(
            left > 0 and self.windows[stream] > 0 for stream, left in self.left.items())

    def receive(self, timeout):
        self.socket.settimeout(timeout)
        try:
            octets = self.socket.recv(1 << 20)
        except (BlockingIOError, TimeoutError):
            return
        finally:
            self.socket.settimeout(60)
        if not octets:
            raise ConnectionError("the server has closed the connection")
        self.came += octets
        while len(self.came) >= 9:
            size = int.from_bytes(self.came[:3], "big")
            if len(self.came) < 9 + size:
                return
            kind, flags, stream = struct.unpack(">BBI", self.came[3:9])
            payload, self.came = self.came[9:9 + size], self.came[9 + size:]
            self.take(kind, flags, stream, payload)

    def take(self, kind, flags, stream, payload):
        if kind == WINDOW_UPDATE and stream in self.windows:
            self.windows[stream] += int.from_bytes(payload, "big")
        elif kind == SETTINGS and not flags & ACK:
            for at in range(0, len(payload), 6):
                setting, value = struct.unpack(">HI", payload[at:at + 6])
                if setting == INITIAL_WINDOW_SIZE:
                    for one in self.left:
                        self.windows[one] += value - self.initial
                    self.initial = value
            self.socket.sendall(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self.socket.sendall(frame(PING, ACK, 0, payload))
        elif kind == RST_STREAM or (kind == HEADERS and flags & END_STREAM):
            self.left.pop(stream, None)


def main():
    connection = Connection(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    while connection.left:
        connection.send_what_fits()
        connection.receive(0 if connection.may_send() else 60)
    print(connection.sent)


if __name__ == "__main__":
    main()
