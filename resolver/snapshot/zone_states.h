// The zones that a table answers, and what is known of each so far: whether the feeds that fill it
// have delivered.
//
// One thread. The sets it hands out are immutable: a change makes another one.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/ip_address.h"
#include "base/result.h"
#include "resolver/snapshot/zone_set.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {

class ZoneStates {
 public:
  // Of owned zones and shared ones in presentation form, and the reverse zones of pools. Fails on
  // what is no DNS name, or the root. A zone told twice is one; a shared one inside an owned one is
  // owned. All start as not ready.
  [[nodiscard]] static Result<ZoneStates> create(std::span<const std::string> owned,
                                                 std::span<const std::string> shared,
                                                 std::span<const IpPrefix> pools);

  [[nodiscard]] const std::shared_ptr<const ZoneSet>& current() const { return zones_; }
  // As they are but that all are ready.
  [[nodiscard]] std::shared_ptr<const ZoneSet> all_ready() const;

  // Of all zones, reverse ones too, or of one.
  void set_ready(bool ready);
  void set_ready(NameView zone, bool ready);
  // Of all zones but the reverse ones.
  void set_awaits_instances(bool awaits);

 private:
  explicit ZoneStates(std::vector<OwnedZone> zones);
  [[nodiscard]] std::shared_ptr<const ZoneSet> changed(
      const std::function<void(OwnedZone&)>& change) const;

  std::shared_ptr<const ZoneSet> zones_;
};

}  // namespace meshdns::dns
