#!/usr/bin/env python3
"""Which ports the servers of a run are given."""

import pathlib
import socket
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

from harness import machine  # noqa: E402  (found by the line above)


class FreePorts(unittest.TestCase):
    def test_no_port_is_given_twice_nor_one_that_the_kernel_draws(self):
        ports = [machine.free_port() for _ in range(200)]
        self.assertEqual(len(set(ports)), len(ports))
        drawn = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()
        self.assertLess(max(ports), int(drawn[0]))

    def test_a_port_that_is_taken_is_passed_over(self):
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            after = machine.free_port() + 1  # the next one in turn
            with socket.socket(socket.AF_INET, kind) as taken:
                try:
                    taken.bind(("127.0.0.1", after))
                except OSError:
                    pass  # by somebody else, then
                self.assertNotEqual(machine.free_port(), after)


if __name__ == "__main__":
    unittest.main()
