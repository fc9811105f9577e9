// A hostname generator as a plain value: which services it gives a name, and what name.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace meshdns::discovery {

struct HostnameGenerator {
  enum class Selects : std::uint8_t { kAll, kOfDataplanes, kExternal };

  Selects selects = Selects::kAll;
  std::map<std::string, std::string> match_labels;  // all of them; none: every service
  std::string hostname_template;

  friend bool operator==(const HostnameGenerator&, const HostnameGenerator&) = default;
};

}  // namespace meshdns::discovery
