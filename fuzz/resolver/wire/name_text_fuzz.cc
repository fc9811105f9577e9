// Presentation form: whatever is taken must print as what reads back the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "resolver/wire/name.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto name = meshdns::dns::Name::from_text(std::string(data, data + size));
  if (name && meshdns::dns::Name::from_text(name->to_text()) != *name) {
    std::abort();
  }
  if (name && meshdns::dns::Name::from_wire(name->octets()) != *name) {
    std::abort();
  }
  return 0;
}
