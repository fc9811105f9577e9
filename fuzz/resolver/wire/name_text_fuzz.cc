// Presentation form: whatever is taken must print as what reads back the same, and ldns must take,
// read and print the same.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "fuzz/resolver/ldns_reading.h"
#include "resolver/wire/name.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(data, data + size);
  const auto name = meshdns::dns::Name::from_text(text);
  if (name && meshdns::dns::Name::from_text(name->to_text()) != *name) {
    std::abort();
  }
  if (name && meshdns::dns::Name::from_wire(name->octets()) != *name) {
    std::abort();
  }
  const auto difference =
      meshdns::fuzz::compare_name_text(text, name, name ? name->to_text() : std::string());
  if (!difference.empty()) {
    std::fprintf(stderr, "not as ldns: %s\n", difference.c_str());
    std::abort();
  }
  return 0;
}
