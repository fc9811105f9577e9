#include "resolver/forward/resolv_conf.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/file_system.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "base/result.h"

namespace meshdns::dns {
namespace {

constexpr std::uint16_t kDnsPort = 53;
// resolv.conf(5): larger values are cut to this.
constexpr unsigned kMaxTimeoutSeconds = 30;
// Enough of a bad word for a warning.
constexpr std::size_t kQuotedOctets = 60;

constexpr std::string_view kBlank = " \t\r\f\v";

std::string quote(std::string_view text) {
  return fmt::format("'{}'", escape_name(text.substr(0, kQuotedOctets)));
}

// Takes the first word off `rest`; empty when there is none.
std::string_view take_word(std::string_view& rest) {
  const auto begin = rest.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) {
    rest = {};
    return {};
  }
  rest.remove_prefix(begin);
  const auto end = std::min(rest.find_first_of(kBlank), rest.size());
  const auto word = rest.substr(0, end);
  rest.remove_prefix(end);
  return word;
}

std::optional<unsigned> parse_capped(std::string_view text, unsigned maximum) {
  unsigned value = 0;
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  const auto [stop, error] = std::from_chars(begin, end, value);
  if (error == std::errc::result_out_of_range && stop == end) {
    return maximum;
  }
  if (error != std::errc() || stop != end) {
    return std::nullopt;
  }
  return std::min(value, maximum);
}

bool is_multicast_or_broadcast(const IpAddress& ip) {
  const auto octets = ip.octets();
  if (!ip.is_v4()) {
    return octets[0] == 0xff;
  }
  return (octets[0] & 0xf0U) == 0xe0U ||
         std::ranges::all_of(octets, [](std::uint8_t o) { return o == 0xff; });
}

// Connecting to the unspecified address reaches the host itself: said plainly, so that the check
// for our own address sees it.
IpAddress without_unspecified(const IpAddress& ip) {
  if (!ip.is_unspecified()) {
    return ip;
  }
  return IpAddress::parse(ip.is_v4() ? "127.0.0.1" : "::1").value_or(ip);
}

class Parser {
 public:
  ResolvConf parse(std::string_view text) {
    if (text.size() > kMaxResolvConfBytes) {
      warn("longer than 1 MiB, ignored");
      return std::move(conf_);
    }
    if (text.starts_with("\xef\xbb\xbf")) {
      text.remove_prefix(3);
    }
    while (!text.empty()) {
      ++line_number_;
      const auto end = std::min(text.find('\n'), text.size());
      parse_line(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    if (suppressed_warnings_ != 0) {
      conf_.warnings.push_back(fmt::format("and {} more", suppressed_warnings_));
    }
    return std::move(conf_);
  }

 private:
  void parse_line(std::string_view line) {
    if (line.empty() || line.front() == '#' || line.front() == ';') {
      return;
    }
    if (line.size() > kMaxResolvConfLineBytes) {
      warn(fmt::format("line {} is longer than {} octets, ignored", line_number_,
                       kMaxResolvConfLineBytes));
      return;
    }
    if (line.find('\0') != std::string_view::npos) {
      warn(fmt::format("line {} holds a NUL octet, ignored", line_number_));
      return;
    }
    const auto keyword = take_word(line);
    if (keyword == "nameserver") {
      parse_server(take_word(line));
    } else if (keyword == "options") {
      parse_options(line);
    } else if (!keyword.empty() && !is_other_keyword(keyword)) {
      warn(fmt::format("line {}: unknown keyword {}, ignored", line_number_, quote(keyword)));
    }
  }

  // Words that other resolvers use and a forwarder has no use for.
  static bool is_other_keyword(std::string_view keyword) {
    constexpr std::array<std::string_view, 5> kOthers = {"search", "domain", "sortlist", "lookup",
                                                         "family"};
    return keyword.front() == '#' || keyword.front() == ';' ||
           std::ranges::find(kOthers, keyword) != kOthers.end();
  }

  void parse_server(std::string_view word) {
    if (word.empty()) {
      warn(fmt::format("line {}: nameserver without an address, ignored", line_number_));
      return;
    }
    auto server = SocketAddress::parse(word, kDnsPort);
    if (!server || server->port == 0) {
      warn(
          fmt::format("line {}: {} is no address of a server, ignored", line_number_, quote(word)));
      return;
    }
    server->ip = without_unspecified(server->ip.unmapped());
    if (is_multicast_or_broadcast(server->ip)) {
      warn(fmt::format("line {}: {} is no unicast address, ignored", line_number_, quote(word)));
    } else if (std::ranges::find(conf_.servers, *server) != conf_.servers.end()) {
      warn(fmt::format("line {}: {} is there already, ignored", line_number_, quote(word)));
    } else if (conf_.servers.size() == kMaxResolvConfServers) {
      warn(fmt::format("line {}: {} is one more than {} servers, ignored", line_number_,
                       quote(word), kMaxResolvConfServers));
    } else {
      conf_.servers.push_back(*server);
    }
  }

  void parse_options(std::string_view rest) {
    for (auto word = take_word(rest); !word.empty(); word = take_word(rest)) {
      if (word.front() == '#' || word.front() == ';') {
        return;
      }
      parse_option(word);
    }
  }

  void parse_option(std::string_view word) {
    const auto colon = word.find(':');
    const auto name = word.substr(0, colon);
    if (name == "timeout") {
      parse_timeout(colon == std::string_view::npos ? std::string_view() : word.substr(colon + 1));
    } else if (name == "rotate") {
      conf_.rotate = true;
    } else if (name == "use-vc" || name == "usevc" || name == "tcp") {  // as glibc and the BSDs say
      conf_.use_vc = true;
    } else if (name == "no-aaaa") {
      conf_.no_aaaa = true;
    } else if (name == "trust-ad") {
      conf_.trust_ad = true;
    } else if (!is_other_option(name)) {
      note(fmt::format("line {}: unknown option {}, ignored", line_number_, quote(word)));
    }
  }

  // Options of stubs that a forwarder has no use for, or obeys always.
  static bool is_other_option(std::string_view name) {
    constexpr std::array<std::string_view, 16> kOthers = {
        "attempts",     "debug",          "edns0",          "inet6",
        "insecure1",    "insecure2",      "ip6-bytestring", "ip6-dotint",
        "ndots",        "no-check-names", "no-ip6-dotint",  "no-reload",
        "no-tld-query", "no_tld_query",   "single-request", "single-request-reopen"};
    return std::ranges::find(kOthers, name) != kOthers.end();
  }

  void parse_timeout(std::string_view value) {
    const auto seconds = parse_capped(value, kMaxTimeoutSeconds);
    if (!seconds || *seconds == 0) {
      warn(fmt::format("line {}: option timeout has no usable number, ignored", line_number_));
    } else {
      conf_.timeout = std::chrono::seconds(*seconds);
    }
  }

  void note(std::string text) {
    if (conf_.notes.size() < kMaxResolvConfWarnings) {
      conf_.notes.push_back(std::move(text));
    }
  }

  void warn(std::string text) {
    if (conf_.warnings.size() < kMaxResolvConfWarnings) {
      conf_.warnings.push_back(std::move(text));
    } else {
      ++suppressed_warnings_;
    }
  }

  ResolvConf conf_;
  std::size_t line_number_ = 0;
  std::size_t suppressed_warnings_ = 0;
};

}  // namespace

ResolvConf parse_resolv_conf(std::string_view text) { return Parser().parse(text); }

Result<ResolvConf> load_resolv_conf(FileSystem& files, const std::string& path) {
  const auto text = read_file(files, path, kMaxResolvConfBytes);
  if (!text) {
    return tl::unexpected(text.error());
  }
  auto conf = parse_resolv_conf(*text);
  if (conf.servers.empty()) {
    return fail(ErrorCode::kInvalidArgument,
                conf.warnings.empty() ? fmt::format("{} names no server", path)
                                      : fmt::format("{} names no usable server: {}", path,
                                                    fmt::join(conf.warnings, "; ")));
  }
  return conf;
}

}  // namespace meshdns::dns
