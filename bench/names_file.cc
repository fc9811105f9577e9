#include "bench/names_file.h"

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/ip_address.h"
#include "base/result.h"

namespace meshdns::bench {
namespace {

constexpr std::size_t kMaxLabel = 63;  // RFC 1035 §2.3.4
constexpr std::size_t kMaxName = 255;  // the same

std::optional<ExpectedAddress> parse_expected(const std::string& text, IpFamily family) {
  using Rule = ExpectedAddress::Rule;
  if (text == "-") {
    return ExpectedAddress{.rule = Rule::kNone, .address = {}};
  }
  if (text == "*") {
    return ExpectedAddress{.rule = Rule::kAny, .address = {}};
  }
  const auto address = IpAddress::parse(text);
  if (!address || address->family() != family) {
    return std::nullopt;
  }
  return ExpectedAddress{.rule = Rule::kExactly, .address = *address};
}

std::optional<BenchName> parse_line(const std::string& line) {
  std::istringstream words(line);
  std::string name;
  std::string ipv4;
  std::string ipv6;
  if (!(words >> name >> ipv4 >> ipv6)) {
    return std::nullopt;
  }
  auto wire = name_to_wire(name);
  const auto v4 = parse_expected(ipv4, IpFamily::kV4);
  const auto v6 = parse_expected(ipv6, IpFamily::kV6);
  if (!wire || !v4 || !v6) {
    return std::nullopt;
  }
  return BenchName{.wire = std::move(*wire), .ipv4 = *v4, .ipv6 = *v6};
}

}  // namespace

std::optional<std::vector<std::uint8_t>> name_to_wire(std::string_view text) {
  std::vector<std::uint8_t> wire;
  while (!text.empty()) {
    const std::string_view label = text.substr(0, text.find('.'));
    if (label.empty() || label.size() > kMaxLabel) {
      return std::nullopt;
    }
    wire.push_back(static_cast<std::uint8_t>(label.size()));
    wire.insert(wire.end(), label.begin(), label.end());
    text.remove_prefix(label.size() < text.size() ? label.size() + 1 : label.size());
  }
  wire.push_back(0);
  if (wire.size() > kMaxName) {
    return std::nullopt;
  }
  return wire;
}

Result<NamesFile> read_names_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    return fail(ErrorCode::kIo, path + ": cannot be read");
  }
  NamesFile names;
  std::string line;
  for (std::size_t number = 1; std::getline(file, line); ++number) {
    auto name = parse_line(line);
    if (!name) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("{}:{}: not a name and two expected addresses", path, number));
    }
    const bool absent = name->ipv4.rule == ExpectedAddress::Rule::kNone &&
                        name->ipv6.rule == ExpectedAddress::Rule::kNone;
    (absent ? names.absent : names.present).push_back(std::move(*name));
  }
  if (names.present.empty()) {
    return fail(ErrorCode::kInvalidArgument, path + ": holds no name that exists");
  }
  return names;
}

}  // namespace meshdns::bench
