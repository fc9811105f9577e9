#include "resolver/forward/random_ids.h"

#include <cstdint>
#include <cstdlib>

#include <sys/random.h>

namespace meshdns::dns {

std::uint16_t RandomIds::next() {
  if (used_ == batch_.size()) {
    // Up to 256 octets come whole once the generator is seeded at boot; else it waits
    // (getrandom(2)).
    if (getrandom(batch_.data(), sizeof batch_, 0) != static_cast<ssize_t>(sizeof batch_)) {
      std::abort();  // guessable ids would be worse
    }
    used_ = 0;
  }
  return batch_[used_++];
}

}  // namespace meshdns::dns
