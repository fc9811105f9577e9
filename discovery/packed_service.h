// PackedService: a service in one block of octets, for tables that hold hundreds of thousands.
//
// Immutable; copies share the block. Any thread.
#pragma once

#include <compare>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

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
};

class PackedService {
 public:
  explicit PackedService(const Service& service);

  // The service that was packed.
  [[nodiscard]] Service unpack() const;
  [[nodiscard]] ServiceIdView id() const;
  [[nodiscard]] std::string_view octets() const { return {block_.get(), size_}; }

  // Equal services have equal octets, and others have others.
  friend bool operator==(const PackedService& a, const PackedService& b) {
    return a.block_ == b.block_ || a.octets() == b.octets();
  }

 private:
  std::shared_ptr<const char[]> block_;
  std::size_t size_;
};

}  // namespace meshdns::discovery
