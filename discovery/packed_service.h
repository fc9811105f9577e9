// PackedService: a service in one block of octets, for tables that hold hundreds of thousands.
//
// Immutable. Copies share the block, which counts them: all belong to one thread.
#pragma once

#include <compare>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "discovery/service.h"

namespace meshdns::discovery {

// Refers to the strings of a ServiceId, or of a service; they outlive it.
struct ServiceIdView {
  std::string_view mesh;
  std::string_view name;

  // NOLINTNEXTLINE(google-explicit-constructor): as a string_view refers to a string
  ServiceIdView(const ServiceId& id) : mesh(id.mesh), name(id.name) {}
  ServiceIdView(std::string_view mesh_name, std::string_view service_name)
      : mesh(mesh_name), name(service_name) {}

  [[nodiscard]] ServiceId id() const { return {std::string(mesh), std::string(name)}; }
  friend auto operator<=>(const ServiceIdView&, const ServiceIdView&) = default;
  template <typename Hash>
  // NOLINTNEXTLINE(readability-identifier-naming): of Abseil, found by this name
  friend Hash AbslHashValue(Hash hash, const ServiceIdView& id) {
    return Hash::combine(std::move(hash), id.mesh, id.name);
  }
};

class PackedService {
 public:
  explicit PackedService(const Service& service);
  PackedService(const PackedService& other);
  PackedService(PackedService&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  PackedService& operator=(const PackedService& other) { return *this = PackedService(other); }
  PackedService& operator=(PackedService&& other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~PackedService();

  // The service that was packed.
  [[nodiscard]] Service unpack() const;
  [[nodiscard]] ServiceIdView id() const;
  [[nodiscard]] std::string_view octets() const;

  // Equal services have equal octets, and others have others.
  friend bool operator==(const PackedService& a, const PackedService& b) {
    return a.block_ == b.block_ || a.octets() == b.octets();
  }

 private:
  struct Block;  // the octets stand behind it

  Block* block_;  // null once moved from
};

}  // namespace meshdns::discovery
