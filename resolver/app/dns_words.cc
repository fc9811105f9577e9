#include "resolver/app/dns_words.h"

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include <fmt/format.h>

#include "resolver/app/ldns.h"  // IWYU pragma: keep

namespace meshdns::dns {
namespace {

// A text that ldns allocated.
std::string take(char* text) {
  const std::unique_ptr<char, decltype(&std::free)> owned(text, &std::free);
  return text == nullptr ? std::string("?") : std::string(text);
}

}  // namespace

std::string type_text(std::uint16_t type) {
  return take(ldns_rr_type2str(static_cast<ldns_rr_type>(type)));
}

std::string class_text(std::uint16_t rrclass) {
  return take(ldns_rr_class2str(static_cast<ldns_rr_class>(rrclass)));
}

std::string rcode_text(unsigned rcode) {
  const ldns_lookup_table* const found = ldns_lookup_by_id(ldns_rcodes, static_cast<int>(rcode));
  return found == nullptr ? fmt::format("RCODE{}", rcode) : std::string(found->name);
}

}  // namespace meshdns::dns
