#include "resolver/snapshot/static_records.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/sip_hash.h"
#include "resolver/snapshot/zone_set.h"
#include "resolver/wire/name.h"
#include "resolver/wire/protocol.h"

namespace meshdns::dns {
namespace {

// Leaves room for header, question, an alias in front and OPT in a message of 65,535 octets.
constexpr std::size_t kMaxRrsetOctets = 60'000;
constexpr std::size_t kRecordHeaderOctets = 12;  // pointer, type, class, TTL, length
constexpr std::array<std::uint8_t, 2> kAsterisk{1, '*'};
constexpr std::uint16_t kDname = 39;

std::string_view to_key(NameView name) {
  const auto octets = name.octets();
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): a map key holds octets as char.
  return {reinterpret_cast<const char*>(octets.data()), octets.size()};
}

Name folded(NameView name) {
  Name copy;
  copy.assign_folded(name);
  return copy;
}

std::string at(const StaticRecord& record) {
  return record.origin + ": " + record.owner.to_text() + " ";
}

std::size_t octets_of(const StaticRrset& rrset) {
  std::size_t total = 0;
  for (const auto& rdata : rrset.rdata) {
    total += kRecordHeaderOctets + rdata.size();
  }
  return total;
}

}  // namespace

const StaticRrset* StaticNode::find(std::uint16_t type) const {
  const auto found = std::ranges::find(rrsets_, type, &StaticRrset::type);
  return found == rrsets_.end() ? nullptr : &*found;
}

bool StaticNode::decides_addresses() const {
  return std::ranges::any_of(rrsets_, [](const StaticRrset& rrset) {
    return rrset.type == rrtype::kA || rrset.type == rrtype::kAaaa || rrset.type == rrtype::kCname;
  });
}

StaticRecords::StaticRecords() = default;

std::size_t StaticRecords::OctetsHash::operator()(std::string_view octets) const {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): a map key holds octets as char.
  const auto* const first = reinterpret_cast<const std::uint8_t*>(octets.data());
  return sip_hash<1, 3>(key, {first, octets.size()});
}

Result<std::shared_ptr<const StaticRecords>> StaticRecords::create(
    std::span<const StaticRecord> records, const ZoneSet& owned) {
  auto made = std::make_shared<StaticRecords>();
  std::vector<OwnedZone> zones;
  for (const StaticRecord& record : records) {
    if (record.type == rrtype::kSoa) {
      zones.push_back({folded(record.owner), true, std::nullopt});
    }
  }
  made->zones_ = ZoneSet(std::move(zones));
  for (const StaticRecord& record : records) {
    if (auto added = made->add(record); !added) {
      return tl::unexpected(added.error());
    }
  }
  for (const StaticRecord& record : records) {
    const Name name = folded(record.owner);
    const ZoneMatch inner = made->zones_.find(name);
    const ZoneMatch zone = inner.zone != nullptr ? inner : owned.find(name);
    if (zone.zone != nullptr) {
      made->add_ancestors(name, zone.zone->name);
    }
    if (auto fine = made->check(record, owned); !fine) {
      return tl::unexpected(fine.error());
    }
  }
  return made;
}

Result<void> StaticRecords::add(const StaticRecord& record) {
  const Name name = folded(record.owner);
  StaticNode& node = nodes_[std::string(to_key(name))];
  const auto octets = name.octets();
  has_wildcards_ = has_wildcards_ || std::equal(kAsterisk.begin(), kAsterisk.end(), octets.begin());
  auto rrset = std::ranges::find(node.rrsets_, record.type, &StaticRrset::type);
  if (rrset == node.rrsets_.end()) {
    rrset = node.rrsets_.insert(rrset, {.type = record.type, .ttl = record.ttl, .rdata = {}});
  }
  rrset->ttl = std::min(rrset->ttl, record.ttl);
  if (std::ranges::find(rrset->rdata, record.rdata) != rrset->rdata.end()) {
    return {};  // RFC 2181 section 5: the same record twice is one
  }
  rrset->rdata.push_back(record.rdata);
  ++record_count_;
  if (octets_of(*rrset) > kMaxRrsetOctets) {
    return fail(ErrorCode::kInvalidArgument,
                at(record) + "has more records of one type than fit in a message");
  }
  return {};
}

// The names between this one and its zone exist as well (RFC 8020).
void StaticRecords::add_ancestors(NameView name, NameView zone) {
  for (NameView above = name.parent(); above.size() > zone.size(); above = above.parent()) {
    nodes_.try_emplace(std::string(to_key(above)));
  }
}

Result<void> StaticRecords::check(const StaticRecord& record, const ZoneSet& owned) const {
  const Name name = folded(record.owner);
  const auto refuse = [&](const std::string& why) {
    return fail(ErrorCode::kInvalidArgument, at(record) + why);
  };
  const auto is_of_pool = [&](NameView other) {
    const ZoneMatch match = owned.find(other);
    return zones_.find(other).zone == nullptr && match.zone != nullptr && match.zone->pool;
  };
  const ZoneMatch zone = zones_.find(name);
  const bool is_apex = zone.zone != nullptr && zone.offset == 0;
  const StaticNode& node = *find(name);
  switch (record.type) {
    case rrtype::kSoa:
      if (node.find(rrtype::kSoa)->rdata.size() != 1) {
        return refuse("has two different SOA records");
      }
      if (node.find(rrtype::kNs) == nullptr) {
        return refuse("has SOA but no NS record");
      }
      break;
    case rrtype::kNs:
      if (!is_apex) {
        return refuse("is delegated by NS: only whole zones are held here");
      }
      break;
    case kDname:
      return refuse("has DNAME, which is not served");
    case rrtype::kCname: {
      if (node.rrsets().size() != 1 || node.rrsets()[0].rdata.size() != 1) {
        return refuse("has CNAME beside other records (RFC 2181 section 10.1)");
      }
      const auto target = Name::from_wire(record.rdata);
      if (!target || is_of_pool(folded(*target))) {
        return refuse("is an alias into the reverse zone of a pool, which is not followed");
      }
      break;
    }
    default:
      break;
  }
  return {};
}

const StaticNode* StaticRecords::find(NameView folded) const {
  const auto found = nodes_.find(to_key(folded));
  return found == nodes_.end() ? nullptr : &found->second;
}

}  // namespace meshdns::dns
