#!/usr/bin/env python3
"""Reads the programs' sources and fails on a use of the wall clock where none is allowed: its jumps
must change no TTL, timeout, hold-down or quarantine."""

import pathlib
import re
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("base", "vip", "discovery", "resolver")

# What reads the time of day, or waits until a time of day.
WALL_CLOCK = re.compile(
    r"\b(system_clock|utc_clock|file_clock|high_resolution_clock|system_timer|deadline_timer"
    r"|CLOCK_REALTIME\w*|CLOCK_TAI|gettimeofday|localtime\w*|gmtime\w*|mktime|strftime|ftime"
    r"|timespec_get|pthread_cond_timedwait|sem_timedwait|pthread_mutex_timedlock|SystemWallClock)\b"
    r"|(?<![\w.>:])(?:std::|::)?time\s*\(")
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"", re.DOTALL)

# File -> what it may use, and why.
ALLOWED = {
    "base/wall_clock.h": "the seam",
    "base/wall_clock.cc": "the seam",
    "base/log.cc": "stamps of log lines",
    "resolver/server/query_recorder.cc": "stamps of events; time spans are by the steady clock",
    "resolver/app/query_log.cc": "writes these stamps",
    "discovery/control/control_plane.cc": "hands the seam to the API, for stamps of entities, and to the check of tokens",
    "discovery/control/token_verb.cc": "hands the seam to the issue of tokens",
    "resolver/app/app.h": "hands the seam to the age of the table over reboots",
    # gRPC turns the deadline into a time span at once.
    "discovery/xds/ads_server.cc": "the grace of a shutdown",
    "discovery/xds/grpc_transport.cc": "the pause before a reconnect",
    "discovery/xds/ads_server_stream.cc": "how long a stream may say nothing",
}


def uses(text):
    """The words in code that read the wall clock, with their line numbers."""
    blank = COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match.group(0)), text)
    return [(blank.count("\n", 0, match.start()) + 1, match.group(0))
            for match in WALL_CLOCK.finditer(blank)]


class WallClock(unittest.TestCase):
    def test_is_read_only_where_it_may(self):
        seen = 0
        for folder in FOLDERS:
            for path in sorted((ROOT / folder).rglob("*")):
                if path.suffix not in (".h", ".cc"):
                    continue
                seen += 1
                name = path.relative_to(ROOT).as_posix()
                found = uses(path.read_text(encoding="utf-8"))
                if name not in ALLOWED:
                    self.assertEqual(found, [], f"{name}: use Clock (base/clock.h)")
        self.assertGreater(seen, 100, "the sources are somewhere else")

    def test_has_no_needless_allowance(self):
        for name in ALLOWED:
            self.assertTrue((ROOT / name).exists(), f"{name} is gone")

    def test_age_and_tokens_alone_ask_for_the_time_of_day(self):
        users = [path.relative_to(ROOT).as_posix() for folder in FOLDERS
                 for path in sorted((ROOT / folder).rglob("*.cc"))
                 if re.search(r"\bwall_?\.now\(\)", path.read_text(encoding="utf-8"))]
        self.assertEqual(users, ["discovery/control/token_command.cc", "discovery/control/token_verifier.cc",
                                 "resolver/app/last_known_good.cc"])

    def test_clock_counts_suspend(self):
        text = (ROOT / "base/clock.cc").read_text(encoding="utf-8")
        self.assertIn("clock_gettime(CLOCK_BOOTTIME", text)
        self.assertNotIn("CLOCK_MONOTONIC", text)

    def test_finds_what_it_looks_for(self):
        for line in ("auto t = std::chrono::system_clock::now();", "x = time(nullptr);",
                     "x = ::time(0);", "x = std::time(nullptr);", "clock_gettime(CLOCK_REALTIME, &t);",
                     "gettimeofday(&tv, nullptr);", "boost::asio::system_timer timer;"):
            self.assertEqual(len(uses(line)), 1, line)
        for line in ("// system_clock", 'log("time(s)")', "x.time();", "boot_time(1)", "runtime (x)",
                     "std::chrono::steady_clock::now();", "clock_gettime(CLOCK_BOOTTIME, &t);"):
            self.assertEqual(uses(line), [], line)


if __name__ == "__main__":
    sys.exit(unittest.main())
