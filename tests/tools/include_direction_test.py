#!/usr/bin/env python3
"""Reads every #include and every library link of the tree and fails on an edge that the table of
include_rules.py does not have."""

import pathlib
import re
import sys
import tempfile
import unittest

import include_rules as rules

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOP_FOLDERS = sorted({folder.split("/")[0] for folder in rules.FOLDERS})
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
LIBRARY = re.compile(r"meshdns_library\(\s*(meshdns_\w+)(.*?)\)", re.DOTALL)


def folder_of(path):
    """The row of the table that a path relative to the root belongs to."""
    parts = path.split("/")
    two = "/".join(parts[:2])
    return two if len(parts) > 2 and two in rules.FOLDERS else parts[0]


def third_party_of(header):
    """The name of a third party, "" for the standard library and the system, None if unknown."""
    best, best_length = None, 0
    for party, prefixes in rules.THIRD_PARTIES.items():
        for prefix in prefixes:
            exact = "/" not in prefix and not prefix.endswith("_")
            hit = header == prefix or (not exact and header.startswith(prefix))
            if hit and len(prefix) > best_length:
                best, best_length = party, len(prefix)
    if best is not None:
        return best
    if re.fullmatch(r"[a-z0-9_]+", header) or header in rules.SYSTEM_HEADERS:
        return ""
    if header.startswith(rules.SYSTEM_PREFIXES):
        return ""
    return "Boost" if header.startswith("boost/") else None


class Tree:
    """The sources below a root, with what each includes."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.includes = {}
        for top in TOP_FOLDERS:
            for path in sorted((self.root / top).rglob("*")):
                if path.suffix in (".h", ".cc") or path.name.endswith(".h.in"):
                    self.includes[path.relative_to(self.root).as_posix()] = self._read(path)

    @staticmethod
    def _read(path):
        found = []
        text = path.read_text(encoding="utf-8", errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            match = INCLUDE.match(line)
            if match:
                found.append((number, match.group(1) == '"', match.group(2)))
        return found

    def violations(self):
        found = []
        for path, includes in self.includes.items():
            for number, ours, header in includes:
                reason = self._judge(path, ours, header)
                if reason:
                    found.append(f"{path}:{number}: {header}: {reason}")
            found += self._judge_reach(path)
            found += self._judge_both(path)
        return found

    def _judge(self, path, ours, header):
        if header.endswith(".pb.h"):
            return self._judge_edge(path, "proto") or (
                self._judge_party(path, "gRPC") if header.endswith(".grpc.pb.h") else None)
        if ours:
            return self._judge_own(path, header)
        if header.split("/")[0] in TOP_FOLDERS and (self.root / header).exists():
            return "our own headers are included with quotes"
        party = third_party_of(header)
        if party is None:
            return "unknown header; add its third party to include_rules.py"
        return self._judge_party(path, party)

    def _judge_own(self, path, header):
        if header.split("/")[0] not in TOP_FOLDERS:
            return "own headers are included by their path from the root"
        folder = folder_of(path)
        for source, target, why in rules.FORBIDDEN_HEADERS:
            if folder == source and header == target:
                return f"{source} may use {why} of that folder"
        return self._judge_edge(path, folder_of(header))

    @staticmethod
    def _judge_edge(path, target):
        source = folder_of(path)
        allowed = rules.FOLDERS.get(source)
        if allowed is None:
            return f"{source} is not in the table"
        if target == source:
            return None
        if target not in rules.FOLDERS:
            return f"{target} is not in the table"
        if target in rules.LEAVES and source not in rules.LEAVES:
            return f"{source} may not include {target}"
        if allowed == rules.ALL or target in allowed:
            return None
        return f"{source} may not include {target}"

    @staticmethod
    def _judge_party(path, party):
        folder = folder_of(path)
        allowed = rules.FOLDER_THIRD_PARTIES.get(folder, set())
        if party == "" or allowed == rules.ALL or party in allowed or party in rules.WITH_BASE:
            return None
        if party in rules.FILE_THIRD_PARTIES.get(path, set()):
            return None
        if party == "Asio" and "Boost.Beast" in allowed:
            return None
        return f"{folder} may not use {party}"

    def _reach(self, path):
        """Every file of ours and every other header that `path` includes, directly or not."""
        seen, todo, foreign = {path}, [path], {}
        while todo:
            current = todo.pop()
            for _, ours, header in self.includes.get(current, ()):
                if ours and header in self.includes:
                    if header not in seen:
                        seen.add(header)
                        todo.append(header)
                else:
                    foreign.setdefault(header, current)
        return foreign

    def _judge_reach(self, path):
        found = []
        for header, where in self._reach(path).items():
            party = third_party_of(header)
            if header.endswith(".pb.h"):
                party = "gRPC" if header.endswith(".grpc.pb.h") else "protobuf"
            folders = rules.REACHABLE_FROM.get(party)
            if folders is not None and folder_of(path) not in folders:
                found.append(f"{path}: reaches {party} through {where} ({header})")
        return found

    def _judge_both(self, path):
        if path.startswith(rules.SEE_DISCOVERY_AND_VIP):
            return []
        tops = {header.split("/")[0] for _, ours, header in self.includes[path] if ours}
        if {"discovery", "vip"} <= tops:
            return [f"{path}: only the snapshot builder, control and app see discovery and vip"]
        return []

    def link_violations(self):
        """Compares what each folder's CMake library links with the table."""
        owner = {}
        for folder in rules.FOLDERS:
            owner["meshdns_" + folder.split("/")[-1]] = folder
        found = []
        for path in sorted(self.root.rglob("CMakeLists.txt")):
            relative = path.relative_to(self.root).as_posix()
            if relative.split("/")[0] not in TOP_FOLDERS:
                continue
            for name, body in LIBRARY.findall(path.read_text(encoding="utf-8")):
                for target in re.findall(r"\bmeshdns_\w+", body):
                    reason = None
                    if name in owner and target in owner:
                        reason = self._judge_edge(owner[name] + "/x/y", owner[target])
                    if reason:
                        found.append(f"{relative}: {name} links {target}: {reason}")
        return found


class IncludeDirection(unittest.TestCase):
    def test_every_include_is_an_edge_of_the_table(self):
        tree = Tree(ROOT)
        self.assertGreater(len(tree.includes), 20, "the tree was not found")
        self.assertEqual([], tree.violations())

    def test_every_library_link_is_an_edge_of_the_table(self):
        self.assertEqual([], Tree(ROOT).link_violations())


class RulesDetect(unittest.TestCase):
    """The judge itself: each row is a file with one include that must be named."""

    def judged(self, files):
        with tempfile.TemporaryDirectory() as root:
            for path, text in files.items():
                target = pathlib.Path(root, path)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text, encoding="utf-8")
            tree = Tree(root)
            return tree.violations() + tree.link_violations()

    def assert_forbidden(self, files, needle):
        found = self.judged(files)
        self.assertTrue(any(needle in line for line in found), f"{needle!r} not in {found}")

    def test_a_folder_that_includes_upwards(self):
        self.assert_forbidden({"base/a.h": '#include "vip/pool.h"\n'}, "base may not include vip")

    def test_wire_that_includes_answer(self):
        self.assert_forbidden({"resolver/wire/a.cc": '#include "resolver/answer/b.h"\n'},
                              "resolver/wire may not include resolver/answer")

    def test_a_program_that_includes_a_test(self):
        self.assert_forbidden({"resolver/app/a.cc": '#include "tests/support/b.h"\n'},
                              "may not include tests")

    def test_a_third_party_outside_its_folders(self):
        self.assert_forbidden({"vip/a.cc": "#include <boost/asio/post.hpp>\n"},
                              "vip may not use Asio")

    def test_a_socket_in_a_folder_without_io(self):
        for folder in ("wire", "answer", "cache", "snapshot"):
            self.assert_forbidden({f"resolver/{folder}/a.cc": "#include <sys/socket.h>\n"},
                                  "may not use sockets")

    def test_a_protobuf_message_in_the_resolver(self):
        self.assert_forbidden({"resolver/snapshot/a.cc": '#include "proto/mesh.pb.h"\n'},
                              "resolver/snapshot may not include proto")

    def test_grpc_that_leaks_through_a_header(self):
        self.assert_forbidden(
            {"discovery/xds/a.h": "#include <grpcpp/grpcpp.h>\n",
             "discovery/feeds/b.cc": '#include "discovery/xds/a.h"\n'},
            "discovery/feeds/b.cc: reaches gRPC through discovery/xds/a.h")

    def test_the_builder_in_the_answering_half(self):
        self.assert_forbidden(
            {"resolver/answer/a.cc": '#include "resolver/snapshot/snapshot_builder.h"\n'},
            "only the read side")

    def test_a_file_that_sees_discovery_and_vip(self):
        self.assert_forbidden(
            {"resolver/snapshot/entry.h": '#include "discovery/service.h"\n#include "vip/pool.h"\n'},
            "see discovery and vip")

    def test_an_unknown_header(self):
        self.assert_forbidden({"base/a.h": "#include <folly/Conv.h>\n"},
                              "unknown header")

    def test_a_header_named_without_its_folder(self):
        self.assert_forbidden({"base/a.cc": '#include "a.h"\n'}, "path from the root")

    def test_a_forbidden_link(self):
        self.assert_forbidden(
            {"vip/CMakeLists.txt": "meshdns_library(meshdns_vip\n  PUBLIC meshdns_discovery)\n"},
            "vip may not include discovery")

    def test_allowed_edges_pass(self):
        self.assertEqual([], self.judged({
            "base/a.h": "#include <fmt/core.h>\n#include <string>\n#include <sys/stat.h>\n",
            "vip/b.cc": '#include <openssl/sha.h>\n\n#include "base/a.h"\n',
            "discovery/control/c.cc": "#include <boost/beast/http.hpp>\n"
                                      "#include <boost/asio/ip/tcp.hpp>\n",
        }))


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    unittest.main()
