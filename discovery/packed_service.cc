#include "discovery/packed_service.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/ip_address.h"
#include "discovery/service.h"

namespace meshdns::discovery {
namespace {

constexpr unsigned kBitsPerOctet = 7;  // of a number; the eighth says that more come
constexpr std::uint8_t kMore = 0x80;

// Numbers are in groups of seven bits, the lowest first; strings and lists have their length in
// front. What begins like the service's name, as hostnames and tags do, tells only how much of it
// and what follows. Every value has one form.
class Packer {
 public:
  explicit Packer(std::string_view name) : name_(name) {}

  void number(std::size_t value) {
    for (; value >= kMore; value >>= kBitsPerOctet) {
      octets_ += static_cast<char>(value | kMore);
    }
    octets_ += static_cast<char>(value);
  }
  void text(std::string_view value) {
    number(value.size());
    octets_ += value;
  }
  void text_like_name(std::string_view value) {
    const auto common =
        static_cast<std::size_t>(std::ranges::mismatch(value, name_).in1 - value.begin());
    number(common);
    text(value.substr(common));
  }
  void address(const IpAddress& value) {
    const auto octets = value.octets();
    number(octets.size());
    octets_.append(octets.begin(), octets.end());
  }
  template <typename Items, typename Pack>
  void list(const Items& items, Pack pack) {
    number(items.size());
    for (const auto& item : items) {
      pack(item);
    }
  }
  [[nodiscard]] const std::string& octets() const { return octets_; }

 private:
  std::string_view name_;
  std::string octets_;
};

// Reads what a Packer wrote, and nothing else.
class Unpacker {
 public:
  explicit Unpacker(std::string_view octets) : octets_(octets) {}

  std::size_t number() {
    std::size_t value = 0;
    for (unsigned shift = 0;; shift += kBitsPerOctet) {
      const auto octet = static_cast<std::uint8_t>(take(1).front());
      value |= std::size_t{octet & (kMore - 1U)} << shift;
      if (octet < kMore) {
        return value;
      }
    }
  }
  std::string_view text() { return take(number()); }
  std::string text_like(std::string_view name) {
    std::string value(name.substr(0, number()));
    return value += text();
  }
  IpAddress address() {
    std::array<std::uint8_t, 16> octets{};
    const std::string_view packed = text();
    std::ranges::copy(packed, octets.begin());
    return IpAddress(std::span(octets).first(packed.size()));
  }
  template <typename Read>
  void list(Read read) {
    for (std::size_t left = number(); left > 0; --left) {
      read();
    }
  }

 private:
  std::string_view take(std::size_t size) {
    const std::string_view taken = octets_.substr(0, size);
    octets_.remove_prefix(size);
    return taken;
  }

  std::string_view octets_;
};

}  // namespace

struct PackedService::Block {
  std::uint32_t references;
  std::uint32_t size;

  // NOLINTNEXTLINE(*-reinterpret-cast): they stand behind it, in the same memory
  char* octets() { return reinterpret_cast<char*>(this + 1); }
};

PackedService::PackedService(const Service& service) {
  Packer packer(service.id.name);
  packer.text(service.id.mesh);
  packer.text(service.id.name);
  packer.text(service.zone);
  packer.list(service.hostnames, [&](const std::string& name) { packer.text_like_name(name); });
  packer.list(service.addresses, [&](const IpAddress& address) { packer.address(address); });
  packer.list(service.ports, [&](const ServicePort& port) {
    packer.text(port.name);
    packer.number(port.number);
    packer.number(static_cast<std::size_t>(port.protocol));
  });
  packer.list(service.tags, [&](const auto& tag) {
    packer.text(tag.first);
    packer.text_like_name(tag.second);
  });
  packer.number(static_cast<std::size_t>(service.answers));
  packer.number(service.awaits_address ? 1 : 0);
  const std::string& octets = packer.octets();
  void* const memory = ::operator new(sizeof(Block) + octets.size());
  block_ = new (memory) Block{.references = 1, .size = static_cast<std::uint32_t>(octets.size())};
  std::ranges::copy(octets, block_->octets());
}

PackedService::PackedService(const PackedService& other) : block_(other.block_) {
  ++block_->references;
}

PackedService::~PackedService() {
  if (block_ != nullptr && --block_->references == 0) {
    ::operator delete(block_);
  }
}

std::string_view PackedService::octets() const { return {block_->octets(), block_->size}; }

ServiceIdView PackedService::id() const {
  Unpacker unpacker(octets());
  const std::string_view mesh = unpacker.text();
  return {mesh, unpacker.text()};
}

Service PackedService::unpack() const {
  Unpacker unpacker(octets());
  Service service;
  service.id.mesh = unpacker.text();
  service.id.name = unpacker.text();
  service.zone = unpacker.text();
  unpacker.list([&] { service.hostnames.push_back(unpacker.text_like(service.id.name)); });
  unpacker.list([&] { service.addresses.push_back(unpacker.address()); });
  unpacker.list([&] {
    ServicePort& port = service.ports.emplace_back();
    port.name = unpacker.text();
    port.number = static_cast<std::uint16_t>(unpacker.number());
    port.protocol = static_cast<Protocol>(unpacker.number());
  });
  unpacker.list([&] {
    std::string key(unpacker.text());
    service.tags.emplace(std::move(key), unpacker.text_like(service.id.name));
  });
  service.answers = static_cast<Answers>(unpacker.number());
  service.awaits_address = unpacker.number() != 0;
  return service;
}

}  // namespace meshdns::discovery
