// A version that is held, and the name of the ClusterLoadAssignment that goes with it, in one text:
// what is kept of a cluster, or of its endpoints, from one process to the next goes through
// HeldVersions, which has one text per resource.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace meshdns::discovery {

struct HeldAssignment {
  std::string version;
  std::string assignment;

  [[nodiscard]] std::string to_text() const;
  // What to_text() made; nothing for any other text.
  [[nodiscard]] static std::optional<HeldAssignment> parse(std::string_view text);

  friend bool operator==(const HeldAssignment&, const HeldAssignment&) = default;
};

}  // namespace meshdns::discovery
