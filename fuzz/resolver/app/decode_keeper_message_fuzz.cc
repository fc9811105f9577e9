// Any octets as a message of a hand-over: no crash, and what is accepted is written as the same
// octets again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "resolver/app/keeper_message.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string octets(data, data + size);
  const auto message = meshdns::dns::decode_keeper_message(octets);
  if (message && meshdns::dns::encode(*message) != octets) {
    std::abort();
  }
  return 0;
}
