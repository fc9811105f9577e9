// One resource in its wire form, built once and shared by every response that carries it.
//
// The bytes are a whole entry of DeltaDiscoveryResponse.resources; their tail is a whole entry of
// DiscoveryResponse.resources, because both fields have number 2:
//
//   0x12 len  0x1a len NAME  0x0a 16 VERSION  0x12 len  0x0a len TYPE_URL  0x12 len VALUE
//   |--- delta: Resource{name=3, version=1,  resource=2 --- Any{type_url=1, value=2} ---|
//                                             |------------ state of the world ---------|
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace meshdns::discovery {

// Bytes that many may hold; they live as long as one owner does.
struct SharedBytes {
  std::shared_ptr<const void> owner;
  std::string_view bytes;
};

// Immutable, so safe to share between threads.
class Resource {
 public:
  Resource(std::string_view type_url, std::string_view name, std::string_view value);

  [[nodiscard]] std::string_view name() const { return part(name_offset_, name_size_); }
  // A hash of name and value, 16 hexadecimal digits: the same at every replica and after a restart.
  [[nodiscard]] std::string_view version() const { return part(version_offset_, kVersionSize); }
  [[nodiscard]] std::uint64_t hash() const { return hash_; }
  [[nodiscard]] std::string_view value() const { return part(value_offset_, std::string::npos); }
  [[nodiscard]] std::string_view delta_entry() const { return wire_; }
  [[nodiscard]] std::string_view sotw_entry() const {
    return part(sotw_offset_, std::string::npos);
  }

  static constexpr std::size_t kVersionSize = 16;

 private:
  [[nodiscard]] std::string_view part(std::size_t offset, std::size_t size) const {
    return std::string_view(wire_).substr(offset, size);
  }

  std::string wire_;
  std::uint64_t hash_ = 0;
  std::uint32_t name_offset_ = 0;
  std::uint32_t name_size_ = 0;
  std::uint32_t version_offset_ = 0;
  std::uint32_t sotw_offset_ = 0;
  std::uint32_t value_offset_ = 0;
};

using ResourcePtr = std::shared_ptr<const Resource>;

// 16 lower-case hexadecimal digits: how a hash is written as a version.
[[nodiscard]] std::string version_text(std::uint64_t hash);

}  // namespace meshdns::discovery
