#include "discovery/xds/held_versions.h"

#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/packed_text.h"

namespace meshdns::discovery {
namespace {

constexpr unsigned kBitsPerOctet = 7;  // of a number, the lowest first; the eighth: more come
constexpr unsigned kMore = 0x80;

PackedText pack(std::string_view name, std::string_view version) {
  std::string text;
  text.reserve(sizeof(std::size_t) + name.size() + version.size());
  std::size_t octets = name.size();
  for (; octets >= kMore; octets >>= kBitsPerOctet) {
    text += static_cast<char>(octets | kMore);
  }
  text += static_cast<char>(octets);
  text += name;
  text += version;
  return PackedText(text);
}

struct Parts {
  std::string_view name;
  std::string_view version;
};

Parts unpack(const PackedText& packed) {
  const std::string_view text = packed.view();
  std::size_t octets = 0;
  std::size_t begin = 0;
  for (bool more = true; more; ++begin) {
    const auto octet = static_cast<unsigned char>(text[begin]);
    octets |= std::size_t{octet & (kMore - 1)} << (begin * kBitsPerOctet);
    more = octet >= kMore;
  }
  return {.name = text.substr(begin, octets), .version = text.substr(begin + octets)};
}

}  // namespace

HeldVersions::Held::Held(std::string_view name, std::string_view version)
    : text_(pack(name, version)) {}

std::string_view HeldVersions::Held::name() const { return unpack(text_).name; }

std::string_view HeldVersions::Held::version() const { return unpack(text_).version; }

void HeldVersions::Held::set_version(std::string_view version) const {
  text_ = pack(name(), version);
}

HeldVersions::HeldVersions(
    std::initializer_list<std::pair<std::string_view, std::string_view>> held) {
  for (const auto& [name, version] : held) {
    set(name, version);
  }
}

void HeldVersions::set(std::string_view name, std::string_view version) {
  if (const auto held = held_.find(name); held != held_.end()) {
    if (held->version() != version) {
      held->set_version(version);
    }
  } else {
    held_.emplace(name, version);
  }
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
