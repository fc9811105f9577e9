#include "discovery/feeds/held_places.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "base/crc32c.h"
#include "base/sip_hash.h"

namespace meshdns::discovery {
namespace {

// Below this many they are not worth closing.
constexpr std::size_t kFewGaps = 1024;

}  // namespace

HeldPlaces::Place HeldPlaces::place_of(std::string_view name) const {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): octets as numbers.
  const std::span octets(reinterpret_cast<const std::uint8_t*>(name.data()), name.size());
  return {.hash = sip_hash<1, 3>(key_, octets),
          .other_hash = static_cast<std::uint32_t>(sip_hash<1, 3>(other_key_, octets))};
}

void HeldPlaces::set(std::string_view name, std::uint32_t offset, std::string_view octets) {
  Place place = place_of(name);
  place.offset = offset;
  place.octets = static_cast<std::uint32_t>(octets.size());
  place.checksum = crc32c(octets);
  if (const auto found = index_.find(place); found != index_.end()) {
    places_[*found] = place;
    return;
  }
  places_.push_back(place);
  index_.insert(static_cast<Number>(places_.size() - 1));
}

void HeldPlaces::drop(std::string_view name) {
  const auto found = index_.find(place_of(name));
  if (found == index_.end()) {
    return;
  }
  const Number number = *found;
  index_.erase(found);
  places_[number].octets = 0;
  if (++gaps_ > kFewGaps && gaps_ > places_.size() / 2) {
    close_gaps();
  }
}

// Else a log in which names come and go would have a place for each that ever was.
void HeldPlaces::close_gaps() {
  const auto rest =
      std::ranges::remove_if(places_, [](const Place& place) { return place.octets == 0; });
  places_.erase(rest.begin(), rest.end());
  gaps_ = 0;
  index_.clear();
  for (Number number = 0; number < places_.size(); ++number) {
    index_.insert(number);
  }
}

HeldPlaces::Places HeldPlaces::take() {
  index_.clear();
  return std::move(places_);
}

}  // namespace meshdns::discovery
