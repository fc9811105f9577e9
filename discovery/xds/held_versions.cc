#include "discovery/xds/held_versions.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

namespace meshdns::discovery {
namespace {

using StoredSizes = std::array<std::uint32_t, 2>;  // no resource comes near 4 GiB

}  // namespace

HeldVersions::Held::Held(std::string_view name, std::string_view version)
    // NOLINTNEXTLINE(modernize-avoid-c-arrays): of any size
    : block_(std::make_unique<char[]>(sizeof(StoredSizes) + name.size() + version.size())) {
  const StoredSizes sizes{static_cast<std::uint32_t>(name.size()),
                          static_cast<std::uint32_t>(version.size())};
  std::memcpy(block_.get(), &sizes, sizeof(sizes));
  char* const behind_name = std::ranges::copy(name, block_.get() + sizeof(sizes)).out;
  std::ranges::copy(version, behind_name);
}

HeldVersions::Held::Sizes HeldVersions::Held::sizes() const {
  StoredSizes sizes{};
  std::memcpy(&sizes, block_.get(), sizeof(sizes));
  return {.name = sizes[0], .version = sizes[1]};
}

std::string_view HeldVersions::Held::name() const {
  return {block_.get() + sizeof(StoredSizes), sizes().name};
}

std::string_view HeldVersions::Held::version() const {
  return {block_.get() + sizeof(StoredSizes) + sizes().name, sizes().version};
}

HeldVersions::HeldVersions(
    std::initializer_list<std::pair<std::string_view, std::string_view>> held) {
  for (const auto& [name, version] : held) {
    set(name, version);
  }
}

void HeldVersions::set(std::string_view name, std::string_view version) {
  erase(name);
  held_.emplace(name, version);
}

void HeldVersions::erase(std::string_view name) {
  if (const auto held = held_.find(name); held != held_.end()) {
    held_.erase(held);
  }
}

std::optional<std::string_view> HeldVersions::find(std::string_view name) const {
  const auto held = held_.find(name);
  return held == held_.end() ? std::nullopt : std::optional(held->version());
}

}  // namespace meshdns::discovery
