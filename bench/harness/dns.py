"""A DNS client as small as the harness needs: is this name answered yet?"""

import os
import select
import socket
import struct
import time

A = 1
NXDOMAIN = 3


def query(name, qtype=A):
    identity = int.from_bytes(os.urandom(2), "big")
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack(">6H", identity, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(
        ">2H", qtype, 1)


class Client:
    """Asks one server over UDP."""

    def __init__(self, port):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", port))
        self._socket.setblocking(False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def ask(self, name, qtype=A, timeout=0.2):
        """(rcode, number of answers), or None without an answer."""
        sent = query(name, qtype)
        deadline = time.monotonic() + timeout
        try:
            self._socket.send(sent)
            while (left := deadline - time.monotonic()) > 0:
                if not select.select([self._socket], [], [], left)[0]:
                    return None
                answer = self._socket.recv(4096)
                if len(answer) >= 12 and answer[:2] == sent[:2]:
                    return answer[3] & 15, struct.unpack(">H", answer[6:8])[0]
        except ConnectionRefusedError:
            time.sleep(0.0005)
        return None

    def wait_until(self, name, wanted, deadline_seconds, pause=0.0003, alive=None):
        """Asks until wanted(rcode, answers); the moment (time.monotonic) of that answer, or None."""
        deadline = time.monotonic() + deadline_seconds
        while time.monotonic() < deadline:
            reply = self.ask(name)
            if reply is not None and wanted(*reply):
                return time.monotonic()
            if alive is not None:
                alive()
            time.sleep(pause)
        return None


def has_address(rcode, answers):
    return rcode == 0 and answers > 0


def is_absent(rcode, _):
    return rcode == NXDOMAIN
