#include "discovery/xds/resource.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "discovery/xds/wire_format.h"

namespace meshdns::discovery {
namespace {

// FNV-1a, 64 bits. The length goes in first, so that ("ab", "c") and ("a", "bc") differ.
std::uint64_t add_to_hash(std::uint64_t hash, std::string_view bytes) {
  constexpr std::uint64_t kPrime = 0x100000001b3;
  for (std::size_t size = bytes.size(), i = 0; i < sizeof(std::uint64_t); ++i, size >>= 8U) {
    hash = (hash ^ (size & 0xFFU)) * kPrime;
  }
  for (const char byte : bytes) {
    hash = (hash ^ static_cast<unsigned char>(byte)) * kPrime;
  }
  return hash;
}

// Spreads FNV's weak high bits, because tables add hashes up.
std::uint64_t mix(std::uint64_t hash) {
  hash = (hash ^ (hash >> 33U)) * 0xff51afd7ed558ccd;
  hash = (hash ^ (hash >> 33U)) * 0xc4ceb9fe1a85ec53;
  return hash ^ (hash >> 33U);
}

std::uint64_t hash_of(std::string_view name, std::string_view value) {
  constexpr std::uint64_t kOffsetBasis = 0xcbf29ce484222325;
  return mix(add_to_hash(add_to_hash(kOffsetBasis, name), value));
}

}  // namespace

std::string version_text(std::uint64_t hash) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text(Resource::kVersionSize, '0');
  for (auto digit = text.rbegin(); digit != text.rend(); ++digit, hash >>= 4U) {
    *digit = kDigits[hash & 0xFU];
  }
  return text;
}

Resource::Resource(std::string_view type_url, std::string_view name, std::string_view value)
    : hash_(hash_of(name, value)), name_size_(static_cast<std::uint32_t>(name.size())) {
  const std::size_t any_size = field_size(type_url.size()) + field_size(value.size());
  const std::size_t resource_size =
      field_size(name.size()) + field_size(kVersionSize) + field_size(any_size);
  wire_.reserve(field_size(resource_size));

  append_field_header(wire_, 2, resource_size);  // DeltaDiscoveryResponse.resources
  append_field(wire_, 3, name);                  // Resource.name
  name_offset_ = static_cast<std::uint32_t>(wire_.size() - name.size());
  append_field(wire_, 1, version_text(hash_));  // Resource.version
  version_offset_ = static_cast<std::uint32_t>(wire_.size() - kVersionSize);
  sotw_offset_ = static_cast<std::uint32_t>(wire_.size());
  append_field_header(wire_, 2, any_size);  // Resource.resource, DiscoveryResponse.resources
  append_field(wire_, 1, type_url);         // Any.type_url
  append_field(wire_, 2, value);            // Any.value
  value_offset_ = static_cast<std::uint32_t>(wire_.size() - value.size());
}

}  // namespace meshdns::discovery
