// Which way the names below a suffix go: to a group of servers of their own, or nowhere.
//
// The longest suffix that a name lies in decides, label by label, without case; where none does,
// the default group is asked. Immutable after construction; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "resolver/wire/name.h"

namespace meshdns::dns {

enum class RouteAnswer : std::uint8_t {
  kForward,  // what the servers say
  kRefuse,   // REFUSED for every name and type
  kNoName,   // NXDOMAIN for every name and type
  kNoAaaa,   // NODATA for AAAA, and what the servers say for other types
};

struct Route {
  Name suffix = {};  // folded
  RouteAnswer answer = RouteAnswer::kForward;
  std::size_t group = 0;  // of the plan; for kForward and kNoAaaa

  friend bool operator==(const Route&, const Route&) = default;
};

class RouteTable {
 public:
  struct Match {
    RouteAnswer answer = RouteAnswer::kForward;
    std::size_t group = 0;
    // Of the suffix that decided; 0: none, or the root.
    std::size_t labels = 0;
  };

  RouteTable() = default;
  // Of two routes of one suffix the first counts.
  explicit RouteTable(const std::vector<Route>& routes);

  [[nodiscard]] Match find(NameView name) const;
  // Folded, in no order.
  [[nodiscard]] std::vector<Name> suffixes() const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view octets) const {
      return std::hash<std::string_view>{}(octets);
    }
  };
  struct Way {
    RouteAnswer answer = RouteAnswer::kForward;
    std::size_t group = 0;
  };

  std::unordered_map<std::string, Way, Hash, std::equal_to<>> routes_;  // by the suffix's octets
  std::size_t most_labels_ = 0;
};

}  // namespace meshdns::dns
