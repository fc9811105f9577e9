// Reads resolv.conf(5): which servers to ask, and how. Input is as untrusted as a packet.
//
// Ours rather than c-ares': an empty file means no servers and never 127.0.0.1 (which may be us), a
// scope (`fe80::1%eth0`) is kept, and only whole addresses count (`1.2.3` is none). What is not
// understood is skipped with a warning; nothing fails.
//
// Of `options` those are taken that say something of the servers; docs/CONFIGURATION.md has what
// becomes of each. The others steer a stub's own look-up.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/ip_address.h"
#include "base/result.h"

namespace meshdns::dns {

struct ResolvConf {
  // In the file's order, without duplicates; the port is 53 unless given as `[ADDRESS]:PORT`.
  std::vector<SocketAddress> servers;
  std::optional<std::chrono::seconds> timeout;  // within the bounds of resolv.conf(5)
  bool rotate = false;
  bool use_vc = false;
  bool no_aaaa = false;
  bool trust_ad = false;
  // One sentence each, with the line's number; at most kMaxResolvConfWarnings and a last one that
  // counts the rest.
  std::vector<std::string> warnings;
  // Options that nobody knows, in the same form and number.
  std::vector<std::string> notes;
};

inline constexpr std::size_t kMaxResolvConfBytes = std::size_t{1} << 20U;
inline constexpr std::size_t kMaxResolvConfLineBytes = 4096;
inline constexpr std::size_t kMaxResolvConfServers = 8;
inline constexpr std::size_t kMaxResolvConfWarnings = 16;

// Text longer than kMaxResolvConfBytes is not looked at: no servers and a warning.
[[nodiscard]] ResolvConf parse_resolv_conf(std::string_view text);

// Reads and parses a file. Fails when it cannot be read or names no usable server; the message then
// holds the parser's warnings.
[[nodiscard]] Result<ResolvConf> load_resolv_conf(FileSystem& files, const std::string& path);

}  // namespace meshdns::dns
