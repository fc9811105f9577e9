// Labels as services have them, for tables that are to weigh what real ones do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace meshdns::support {

// Another one for each `index` below 36^4. Of 4 to 35 octets, all equally often: below `mesh.` they
// make names of 9 to 40 octets.
inline std::string service_label(std::uint32_t index) {
  constexpr std::size_t kShortest = 4;
  constexpr std::size_t kLengths = 32;
  constexpr const char* kDigits = "abcdefghijklmnopqrstuvwxyz0123456789";
  std::string label(kShortest + index % kLengths, 'x');
  for (std::size_t i = 0; i < kShortest; ++i, index /= 36) {
    label[i] = kDigits[index % 36];
  }
  return label;
}

}  // namespace meshdns::support
