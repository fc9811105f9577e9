#include "base/sip_hash.h"

#include <array>
#include <cstdint>
#include <stdexcept>

#include <sys/random.h>

namespace meshdns {

HashKey HashKey::random() {
  std::array<std::uint64_t, 2> words{};
  if (getrandom(words.data(), sizeof(words), 0) != sizeof(words)) {
    throw std::runtime_error("the kernel gives no random octets");
  }
  return {.first = words[0], .second = words[1]};
}

}  // namespace meshdns
