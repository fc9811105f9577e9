#include "discovery/xds/resource_versions.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

namespace meshdns::discovery {
namespace {

using StoredSizes = std::array<std::uint32_t, 2>;  // no resource comes near 4 GiB

}  // namespace

ResourceVersions::Held::Held(std::string_view name, std::string_view version)
    // NOLINTNEXTLINE(modernize-avoid-c-arrays): of any size
    : block_(std::make_unique<char[]>(sizeof(StoredSizes) + name.size() + version.size())) {
  const StoredSizes sizes{static_cast<std::uint32_t>(name.size()),
                          static_cast<std::uint32_t>(version.size())};
  std::memcpy(block_.get(), &sizes, sizeof(sizes));
  char* const behind_name = std::ranges::copy(name, block_.get() + sizeof(sizes)).out;
  std::ranges::copy(version, behind_name);
}

ResourceVersions::Held::Sizes ResourceVersions::Held::sizes() const {
  StoredSizes sizes{};
  std::memcpy(&sizes, block_.get(), sizeof(sizes));
  return {.name = sizes[0], .version = sizes[1]};
}

std::string_view ResourceVersions::Held::name() const {
  return {block_.get() + sizeof(StoredSizes), sizes().name};
}

std::string_view ResourceVersions::Held::version() const {
  return {block_.get() + sizeof(StoredSizes) + sizes().name, sizes().version};
}

void ResourceVersions::set(std::string_view name, std::string_view version) {
  erase(name);
  held_.emplace(name, version);
}

void ResourceVersions::erase(std::string_view name) {
  if (const auto held = held_.find(name); held != held_.end()) {
    held_.erase(held);
  }
}

bool ResourceVersions::has(std::string_view name, std::string_view version) const {
  const auto held = held_.find(name);
  return held != held_.end() && held->version() == version;
}

}  // namespace meshdns::discovery
