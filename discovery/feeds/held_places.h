// HeldPlaces: finds out where in a log the resources stand that it holds in the end. A name takes
// 30 to 36 octets meanwhile, and 25 of them afterwards, whatever is held under it.
//
// Names are known by 96 bits of two keyed hashes: that any two of a million are taken for one has a
// chance of one in 10^17, and nobody can choose them so. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string_view>

#include <boost/unordered/unordered_flat_set.hpp>

#include "base/sip_hash.h"

namespace meshdns::discovery {

class HeldPlaces {
 public:
  // Of a change of a log.
  struct Place {
    std::uint64_t hash = 0;  // of the name
    std::uint32_t other_hash = 0;
    std::uint32_t offset = 0;
    std::uint32_t octets = 0;  // 0: of one that does not count any more
    std::uint32_t checksum = 0;
  };
  using Places = std::deque<Place>;  // never copied to grow

  HeldPlaces() : index_(0, Hash{&places_}, Equal{&places_}) {}
  HeldPlaces(const HeldPlaces&) = delete;
  HeldPlaces& operator=(const HeldPlaces&) = delete;
  HeldPlaces(HeldPlaces&&) = delete;
  HeldPlaces& operator=(HeldPlaces&&) = delete;
  ~HeldPlaces() = default;

  // `octets` stand at `offset` and say what is held under `name`.
  void set(std::string_view name, std::uint32_t offset, std::string_view octets);
  void drop(std::string_view name);

  // In the order in which the names came, a name that was dropped in between anew; places of
  // nothing are among them. Ends the use of this object.
  [[nodiscard]] Places take();

 private:
  using Number = std::uint32_t;  // of a place
  struct Hash {
    using is_transparent = void;
    const Places* places;
    std::size_t operator()(Number number) const { return (*places)[number].hash; }
    std::size_t operator()(const Place& place) const { return place.hash; }
  };
  struct Equal {
    using is_transparent = void;
    const Places* places;
    bool operator()(Number a, Number b) const { return a == b; }
    bool operator()(const Place& a, Number b) const { return is_of_one_name(a, (*places)[b]); }
    bool operator()(Number a, const Place& b) const { return is_of_one_name((*places)[a], b); }
  };

  static bool is_of_one_name(const Place& a, const Place& b) {
    return a.hash == b.hash && a.other_hash == b.other_hash;
  }
  [[nodiscard]] Place place_of(std::string_view name) const;
  void close_gaps();

  HashKey key_ = HashKey::random();
  HashKey other_key_ = HashKey::random();
  Places places_;
  std::size_t gaps_ = 0;  // places of nothing
  boost::unordered_flat_set<Number, Hash, Equal> index_;
};

}  // namespace meshdns::discovery
