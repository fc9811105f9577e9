// Any octets as a configuration file: no crash, and what is accepted prints as a file that is
// accepted again and prints the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "resolver/app/config_loader.h"
#include "resolver/app/config_print.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(data, data + size);
  const auto loaded = meshdns::dns::parse_config(text, "fuzz.yaml");
  if (!loaded.errors.empty()) {
    return 0;
  }
  auto again = meshdns::dns::parse_config(meshdns::dns::print_config(loaded), "printed.yaml");
  again.origins = loaded.origins;
  if (!again.errors.empty() ||
      meshdns::dns::print_config(again) != meshdns::dns::print_config(loaded)) {
    std::abort();
  }
  return 0;
}
