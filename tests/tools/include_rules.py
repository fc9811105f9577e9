"""Which folder may include what: the dependency table of docs/ARCHITECTURE.md, as data.

include_direction_test.py compares every #include and every CMake link with it. A new edge is a
decision: change the table and the document together.
"""

# Folder -> our folders it may include besides itself. "base" alone has none. ALL is every folder.
ALL = "all"

FOLDERS = {
    "base": set(),
    "proto": set(),
    "vip": {"base"},
    "discovery": {"base"},
    "discovery/xds": {"base", "proto"},
    "discovery/feeds": {"discovery", "discovery/xds", "base", "proto"},
    "discovery/control": {
        "discovery", "discovery/xds", "discovery/feeds", "vip", "base", "proto",
    },
    "resolver/wire": {"base"},
    "resolver/snapshot": {"resolver/wire", "vip", "discovery", "base"},
    "resolver/answer": {"resolver/snapshot", "resolver/wire", "base"},
    "resolver/cache": {"resolver/wire", "base"},
    "resolver/forward": {"resolver/wire", "base"},
    "resolver/resolve": {
        "resolver/answer", "resolver/cache", "resolver/forward", "resolver/wire", "base",
    },
    "resolver/server": {
        "resolver/resolve", "resolver/cache", "resolver/forward", "resolver/answer",
        "resolver/snapshot", "resolver/wire", "base",
    },
    "resolver/app": ALL,
    "tests": ALL,
    "fuzz": ALL,
    "bench": ALL,
    "cmake": set(),
}

# Folders that are never included from outside themselves, even where the table says ALL.
LEAVES = {"tests", "fuzz", "bench", "cmake"}

# Third party -> how its headers begin. The longest beginning wins.
THIRD_PARTIES = {
    "Abseil": ("absl/",),
    "fmt": ("fmt/",),
    "spdlog": ("spdlog/",),
    "tl::expected": ("tl/",),
    "OpenSSL": ("openssl/",),
    "zlib": ("zlib.h",),
    "gRPC": ("grpc/", "grpcpp/", "grpc++/"),
    "protobuf": ("google/protobuf/", "google/rpc/"),
    "yaml-cpp": ("yaml-cpp/",),
    "Boost.Beast": ("boost/beast",),
    "Boost.JSON": ("boost/json",),
    "Boost.Container": ("boost/container",),
    "Boost.Intrusive": ("boost/intrusive",),
    "Boost.Unordered": ("boost/unordered",),
    "Asio": ("boost/asio", "boost/system"),
    "c-ares": ("ares.h", "ares_"),
    "ldns": ("ldns/",),
    "jemalloc": ("jemalloc/",),
    "libfstrm": ("fstrm.h", "fstrm/"),
    "libsystemd": ("systemd/",),
    "CLI11": ("CLI/",),
    "GoogleTest": ("gtest/", "gmock/"),
    "sockets": (
        "sys/socket.h", "sys/un.h", "netinet/", "net/", "netdb.h", "arpa/inet.h", "ifaddrs.h",
        "poll.h", "sys/epoll.h", "linux/net", "linux/rtnetlink.h", "linux/if",
    ),
}

# What the operating system gives everyone. Headers of the C and C++ standard have no slash and no
# dot, or are C headers that C++ still accepts.
SYSTEM_PREFIXES = ("sys/", "linux/", "asm/", "bits/", "sanitizer/")
SYSTEM_HEADERS = {
    "dirent.h", "dlfcn.h", "endian.h", "errno.h", "fcntl.h", "fnmatch.h", "getopt.h", "glob.h",
    "grp.h", "immintrin.h", "limits.h", "poll.h", "pthread.h", "pwd.h", "sched.h", "semaphore.h",
    "signal.h", "spawn.h", "stdint.h", "stdio.h", "stdlib.h", "string.h", "strings.h", "syslog.h",
    "termios.h", "time.h", "unistd.h", "malloc.h", "execinfo.h", "link.h", "elf.h", "syscall.h",
}

# Words that every folder may use: what base/'s own headers are made of.
WITH_BASE = {"fmt"}

# Folder -> third parties. Boost.Beast cannot be used without Asio, so it brings Asio with it.
FOLDER_THIRD_PARTIES = {
    "base": {"fmt", "spdlog", "tl::expected", "jemalloc", "Boost.Unordered", "sockets"},
    "proto": {"protobuf", "gRPC"},
    "vip": {"OpenSSL", "Boost.Unordered"},
    "discovery": {"Abseil"},
    "discovery/xds": {"gRPC", "protobuf", "OpenSSL", "Boost.Unordered"},
    "discovery/feeds": {"protobuf", "yaml-cpp", "Boost.Beast", "Boost.JSON", "Boost.Unordered"},
    "discovery/control": {"protobuf", "yaml-cpp", "Boost.Beast", "Boost.JSON", "OpenSSL"},
    "resolver/wire": set(),
    "resolver/snapshot": {"Boost.Unordered"},
    "resolver/answer": set(),
    "resolver/cache": {"Boost.Intrusive", "Boost.Unordered"},
    "resolver/forward": {"Asio", "Boost.Container", "OpenSSL", "sockets"},
    "resolver/resolve": {"Asio", "Boost.Unordered"},
    "resolver/server": {"Asio", "sockets"},
    "resolver/app": ALL,
    "tests": ALL,
    "fuzz": ALL,
    "bench": ALL,
    "cmake": {"Asio", "Boost.Beast", "Boost.JSON"},
}

# What reads meshdns-cp's flags does so with CLI11, as meshdns does; and one source takes connections
# for gRPC.
FILE_THIRD_PARTIES = {
    "discovery/xds/connection_acceptor.cc": {"sockets"},
    "discovery/xds/received_octets.cc": {"sockets"},
    "discovery/control/main.cc": {"CLI11"},
    "discovery/control/api_verbs.cc": {"CLI11"},
    "discovery/control/run_flags.cc": {"CLI11"},
    "discovery/control/token_verb.cc": {"CLI11"},
}

# (folder that includes, header it must not include directly, why)
FORBIDDEN_HEADERS = (
    ("resolver/answer", "resolver/snapshot/snapshot_builder.h", "only the read side"),
    ("resolver/server", "resolver/snapshot/snapshot_builder.h", "only the holder"),
)

# Third party -> folders whose files may reach its headers, through any number of our headers.
# gRPC's cost half a minute of compiling each; no protobuf type goes past the feeds.
REACHABLE_FROM = {
    "gRPC": {"proto", "discovery/xds", "tests", "fuzz", "bench"},
    "protobuf": {
        "proto", "discovery/xds", "discovery/feeds", "discovery/control", "resolver/app", "tests",
        "fuzz", "bench",
    },
}

# Only these see both discovery and vip.
SEE_DISCOVERY_AND_VIP = (
    "resolver/snapshot/snapshot_builder", "discovery/control/", "resolver/app/", "tests/", "fuzz/",
    "bench/",
)
