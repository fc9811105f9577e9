#include "resolver/snapshot/snapshot_builder.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "base/sip_hash.h"
#include "discovery/service.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/snapshot/zone_set.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

std::unique_ptr<SnapshotBuilder> make_builder() {
  auto builder = SnapshotBuilder::create({
      .owned_zones = {"mesh.", "Mesh.Local."},
      .vip_pools = {*IpPrefix::parse("244.0.0.0/6"), *IpPrefix::parse("fd00:1::/64")},
      .times = {},
      .hash_key = HashKey{1, 2},
  });
  EXPECT_TRUE(builder.has_value());
  return std::move(*builder);
}

discovery::Service service(std::string name, std::vector<std::string> hostnames) {
  discovery::Service made;
  made.id = {"default", std::move(name)};
  made.hostnames = std::move(hostnames);
  return made;
}

NameAddresses at(const std::vector<std::string>& texts) {
  NameAddresses addresses;
  for (const std::string& text : texts) {
    addresses.addresses.push_back(*IpAddress::parse(text));
  }
  return addresses;
}

// What a snapshot says of a name, as text: "absent", "ent", "withheld", or its addresses.
std::string seen(const Snapshot& snapshot, std::string_view text) {
  Name name = *Name::from_text(text);
  name.fold();
  const Snapshot::Host host = snapshot.find(name, snapshot.hash(name));
  switch (host.state) {
    case Snapshot::NameState::kAbsent:
      return "absent";
    case Snapshot::NameState::kEmptyNonTerminal:
      return "ent";
    case Snapshot::NameState::kWithheld:
      return "withheld";
    case Snapshot::NameState::kHost:
      break;
  }
  std::string result = "host";
  for (std::size_t i = 0; i < host.ipv4.size(); i += 4) {
    result += " " + IpAddress(host.ipv4.subspan(i, 4)).to_string();
  }
  for (std::size_t i = 0; i < host.ipv6.size(); i += 16) {
    result += " " + IpAddress(host.ipv6.subspan(i, 16)).to_string();
  }
  return result;
}

std::string pointer(const Snapshot& snapshot, std::string_view address) {
  const auto found = snapshot.find_pointer(*IpAddress::parse(address));
  return found ? found->target.to_text() : "none";
}

const std::string kLongName = std::string(40, 'l') + ".mesh.";

TEST(SnapshotBuilder, RefusesAZoneThatIsNoName) {
  for (const std::string zone : {"", ".", "a..b"}) {
    EXPECT_FALSE(SnapshotBuilder::create({.owned_zones = {zone}, .vip_pools = {}}).has_value());
  }
}

TEST(SnapshotBuilder, OwnsItsZonesAndTheReverseZonesOfItsPools) {
  const auto builder = make_builder();
  const auto snapshot = builder->build();
  const auto zone_of = [&](std::string_view name) {
    const ZoneMatch match = snapshot->zones().find(*Name::from_text(name));
    return match.zone == nullptr ? "none" : match.zone->name.to_text();
  };
  EXPECT_EQ(zone_of("web.mesh"), "mesh.");
  EXPECT_EQ(zone_of("mesh"), "mesh.");
  EXPECT_EQ(zone_of("web.mesh.local"), "mesh.local.");
  EXPECT_EQ(zone_of("notmesh"), "none");
  EXPECT_EQ(zone_of("web.local"), "none");
  EXPECT_EQ(zone_of("1.0.0.245.in-addr.arpa"), "245.in-addr.arpa.");
  EXPECT_EQ(zone_of("1.0.0.248.in-addr.arpa"), "none");
  EXPECT_EQ(zone_of("0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa"),
            "0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa.");
}

TEST(SnapshotBuilder, FindsNamesOfEverySortOfEntry) {
  const auto builder = make_builder();
  builder->upsert_service(service("one", {"one.mesh"}), at({"244.0.0.1"}));
  builder->upsert_service(service("both", {"Both.Mesh"}), at({"244.0.0.2", "fd00:1::2"}));
  builder->upsert_service(service("many", {"many.mesh"}),
                          at({"244.0.0.9", "244.0.0.3", "fd00:1::9", "fd00:1::3"}));
  builder->upsert_service(service("long", {kLongName}), at({"244.0.0.4", "fd00:1::4"}));
  builder->upsert_service(service("none", {"none.mesh"}), at({}));
  builder->upsert_service(service("held", {"held.mesh"}), {.addresses = {}, .withheld = true});
  const auto snapshot = builder->build();
  EXPECT_EQ(seen(*snapshot, "one.mesh"), "host 244.0.0.1");
  EXPECT_EQ(seen(*snapshot, "both.mesh"), "host 244.0.0.2 fd00:1::2");
  EXPECT_EQ(seen(*snapshot, "many.mesh"), "host 244.0.0.9 244.0.0.3 fd00:1::9 fd00:1::3");
  EXPECT_EQ(seen(*snapshot, kLongName), "host 244.0.0.4 fd00:1::4");
  EXPECT_EQ(seen(*snapshot, "none.mesh"), "host");
  EXPECT_EQ(seen(*snapshot, "held.mesh"), "withheld");
  EXPECT_EQ(seen(*snapshot, "mesh"), "absent");
  EXPECT_EQ(pointer(*snapshot, "244.0.0.1"), "one.mesh.");
  EXPECT_EQ(pointer(*snapshot, "fd00:1::2"), "both.mesh.");
  EXPECT_EQ(pointer(*snapshot, "244.0.0.3"), "many.mesh.");
  EXPECT_EQ(pointer(*snapshot, "244.0.0.4"), kLongName);
  EXPECT_EQ(pointer(*snapshot, "fd00:1::4"), kLongName);
  EXPECT_EQ(pointer(*snapshot, "244.0.0.5"), "none");
}

TEST(SnapshotBuilder, LeavesOlderSnapshotsAsTheyWere) {
  const auto builder = make_builder();
  builder->upsert_service(service("a", {"a.mesh", kLongName}), at({"244.0.0.1"}));
  const auto first = builder->build();
  builder->upsert_service(service("a", {"a.mesh"}), at({"244.0.0.2", "244.0.0.3"}));
  const auto second = builder->build();
  builder->remove_service({"default", "a"});
  const auto third = builder->build();
  EXPECT_EQ(seen(*first, "a.mesh"), "host 244.0.0.1");
  EXPECT_EQ(seen(*first, kLongName), "host 244.0.0.1");
  EXPECT_EQ(pointer(*first, "244.0.0.1"), "a.mesh.");
  EXPECT_EQ(seen(*second, "a.mesh"), "host 244.0.0.2 244.0.0.3");
  EXPECT_EQ(seen(*second, kLongName), "absent");
  EXPECT_EQ(pointer(*second, "244.0.0.1"), "none");
  EXPECT_EQ(pointer(*second, "244.0.0.3"), "a.mesh.");
  EXPECT_EQ(seen(*third, "a.mesh"), "absent");
  EXPECT_EQ(pointer(*third, "244.0.0.3"), "none");
  EXPECT_EQ(first->number(), 1);
  EXPECT_EQ(third->number(), 3);
}

TEST(SnapshotBuilder, MakesEmptyNonTerminalsAsLongAsSomethingIsBelow) {
  const auto builder = make_builder();
  builder->upsert_service(service("a", {"leaf.x.y.mesh"}), at({"244.0.0.1"}));
  builder->upsert_service(service("b", {"other.y.mesh"}), at({"244.0.0.2"}));
  const auto both = builder->build();
  EXPECT_EQ(seen(*both, "x.y.mesh"), "ent");
  EXPECT_EQ(seen(*both, "y.mesh"), "ent");
  EXPECT_EQ(seen(*both, "z.y.mesh"), "absent");
  builder->remove_service({"default", "a"});
  const auto one = builder->build();
  EXPECT_EQ(seen(*one, "x.y.mesh"), "absent");
  EXPECT_EQ(seen(*one, "y.mesh"), "ent");
  // A name of its own goes before what is below it, and leaves it behind.
  builder->upsert_service(service("c", {"y.mesh"}), at({"244.0.0.3"}));
  EXPECT_EQ(seen(*builder->build(), "y.mesh"), "host 244.0.0.3");
  builder->remove_service({"default", "c"});
  EXPECT_EQ(seen(*builder->build(), "y.mesh"), "ent");
  builder->remove_service({"default", "b"});
  const auto none = builder->build();
  EXPECT_EQ(seen(*none, "y.mesh"), "absent");
}

TEST(SnapshotBuilder, MakesNoEmptyNonTerminalsOutsideItsZones) {
  const auto builder = make_builder();
  builder->upsert_record({"api.external.example.org", at({"192.0.2.1"}).addresses, {}});
  const auto snapshot = builder->build();
  EXPECT_EQ(seen(*snapshot, "api.external.example.org"), "host 192.0.2.1");
  EXPECT_EQ(seen(*snapshot, "external.example.org"), "absent");
}

TEST(SnapshotBuilder, GivesAContestedNameToTheFirstAndThenToTheNextInLine) {
  const auto builder = make_builder();
  EXPECT_THAT(builder->upsert_service(service("a", {"web.mesh"}), at({"244.0.0.1"})).clashes,
              IsEmpty());
  const auto report = builder->upsert_service(service("b", {"WEB.mesh"}), at({"244.0.0.2"}));
  ASSERT_THAT(report.clashes, SizeIs(1));
  EXPECT_EQ(report.clashes[0].name, "web.mesh.");
  EXPECT_EQ(report.clashes[0].holder, "default/a");
  builder->upsert_service(service("c", {"web.mesh"}), at({"244.0.0.3"}));
  EXPECT_EQ(seen(*builder->build(), "web.mesh"), "host 244.0.0.1");
  EXPECT_EQ(builder->build_stats().contested_names, 1);
  // An upsert of the holder does not cost it the name.
  builder->upsert_service(service("a", {"web.mesh"}), at({"244.0.0.4"}));
  EXPECT_EQ(seen(*builder->build(), "web.mesh"), "host 244.0.0.4");
  builder->remove_service({"default", "a"});
  const auto next = builder->build();
  EXPECT_EQ(seen(*next, "web.mesh"), "host 244.0.0.2");
  EXPECT_EQ(pointer(*next, "244.0.0.2"), "web.mesh.");
  EXPECT_EQ(pointer(*next, "244.0.0.4"), "none");
  builder->remove_service({"default", "b"});
  EXPECT_EQ(seen(*builder->build(), "web.mesh"), "host 244.0.0.3");
  EXPECT_EQ(builder->build_stats().contested_names, 0);
  builder->remove_service({"default", "c"});
  EXPECT_EQ(seen(*builder->build(), "web.mesh"), "absent");
}

TEST(SnapshotBuilder, PointsAnAddressToTheFirstNameThatItsServiceHolds) {
  const auto builder = make_builder();
  builder->upsert_service(service("a", {"web.mesh"}), at({"244.0.0.1"}));
  builder->upsert_service(service("b", {"web.mesh", "second.mesh", "third.mesh"}),
                          at({"244.0.0.2"}));
  EXPECT_EQ(pointer(*builder->build(), "244.0.0.2"), "second.mesh.");
  builder->remove_service({"default", "a"});
  EXPECT_EQ(pointer(*builder->build(), "244.0.0.2"), "web.mesh.");
  builder->upsert_service(service("b", {"third.mesh"}), at({"244.0.0.2"}));
  EXPECT_EQ(pointer(*builder->build(), "244.0.0.2"), "third.mesh.");
}

TEST(SnapshotBuilder, PointsAnAddressOfTwoServicesToTheFirst) {
  const auto builder = make_builder();
  builder->upsert_service(service("a", {"a.mesh"}), at({"244.0.0.1"}));
  builder->upsert_service(service("b", {"b.mesh"}), at({"244.0.0.1"}));
  EXPECT_EQ(pointer(*builder->build(), "244.0.0.1"), "a.mesh.");
  builder->remove_service({"default", "a"});
  EXPECT_EQ(pointer(*builder->build(), "244.0.0.1"), "b.mesh.");
}

TEST(SnapshotBuilder, PointsNoAddressOutsideItsPools) {
  const auto builder = make_builder();
  builder->upsert_service(service("a", {"a.mesh"}), at({"192.0.2.1"}));
  EXPECT_EQ(pointer(*builder->build(), "192.0.2.1"), "none");
}

TEST(SnapshotBuilder, ForgetsAPointerThatCameBack) {
  const auto builder = make_builder();
  builder->upsert_service(service("a", {"a.mesh"}), at({"244.0.0.1"}));
  builder->remove_service({"default", "a"});
  builder->upsert_service(service("b", {"b.mesh"}), at({"244.0.0.1"}));
  EXPECT_EQ(pointer(*builder->build(), "244.0.0.1"), "b.mesh.");
  EXPECT_EQ(pointer(*builder->build(), "244.0.0.1"), "b.mesh.");
}

TEST(SnapshotBuilder, KeepsRecordsBesideServices) {
  const auto builder = make_builder();
  builder->upsert_record({"Db.mesh", at({"192.0.2.7"}).addresses, 300});
  const auto snapshot = builder->build();
  const Name name = *Name::from_text("db.mesh");
  EXPECT_EQ(snapshot->find(name, snapshot->hash(name)).ttl, 300);
  const auto report = builder->upsert_service(service("db", {"db.mesh"}), at({"244.0.0.1"}));
  ASSERT_THAT(report.clashes, SizeIs(1));
  EXPECT_EQ(report.clashes[0].holder, "record Db.mesh");
  builder->remove_record("dB.MESH.");
  EXPECT_EQ(seen(*builder->build(), "db.mesh"), "host 244.0.0.1");
}

TEST(SnapshotBuilder, TakesTheGoodHostnamesOfAServiceAndNamesTheOthers) {
  const auto builder = make_builder();
  const std::vector<std::string> bad{"a..mesh", "", ".", std::string(70, 'x')};
  std::vector<std::string> hostnames = bad;
  hostnames.insert(hostnames.begin() + 1, {"a.mesh", "A.mesh"});
  const auto report =
      builder->upsert_service(service("a", hostnames), at({"244.0.0.1", "244.0.0.1"}));
  EXPECT_EQ(report.rejected, bad);
  EXPECT_EQ(seen(*builder->build(), "a.mesh"), "host 244.0.0.1");
}

TEST(SnapshotBuilder, TellsReadinessByZone) {
  const auto builder = make_builder();
  const auto ready = [](const Snapshot& snapshot) {
    std::vector<std::string> names;
    for (const OwnedZone& zone : snapshot.zones().zones()) {
      if (zone.ready) {
        names.push_back(zone.name.to_text());
      }
    }
    return names;
  };
  EXPECT_THAT(ready(*builder->build()), IsEmpty());
  builder->set_ready(*Name::from_text("mesh.LOCAL"), true);
  EXPECT_THAT(ready(*builder->build()), ElementsAre("mesh.local."));
  builder->set_ready(true);
  EXPECT_THAT(ready(*builder->build()), SizeIs(7));
  builder->set_ready(*Name::from_text("mesh"), false);
  EXPECT_THAT(ready(*builder->build()), SizeIs(6));
}

TEST(SnapshotBuilder, TouchesNoPageWhenNothingChanges) {
  const auto builder = make_builder();
  const auto everything = [&builder] {
    builder->upsert_service(service("a", {"a.mesh", kLongName}), at({"244.0.0.1", "fd00:1::1"}));
    builder->upsert_service(service("b", {"b.x.mesh"}), at({"244.0.0.2", "244.0.0.3"}));
    builder->upsert_service(service("c", {"c.mesh"}), {.addresses = {}, .withheld = true});
    builder->upsert_record({"r.mesh", at({"192.0.2.7"}).addresses, 300});
  };
  everything();
  const auto first = builder->build();
  everything();
  builder->remove_service({"default", "unknown"});
  builder->remove_record("unknown.mesh");
  const auto second = builder->build();
  EXPECT_EQ(builder->build_stats().pages.pages_touched(), 0);
  EXPECT_EQ(builder->build_stats().pages.pages_added, 0);
  EXPECT_EQ(builder->build_stats().owners, 4);
}

TEST(SnapshotBuilder, ReleasesEverythingWhenEverythingGoes) {
  const auto builder = make_builder();
  for (int i = 0; i < 3000; ++i) {
    const std::string n = std::to_string(i);
    builder->upsert_service(
        service(n, {n + ".mesh", (n + ".").append(kLongName)}),
        at({"244.1." + std::to_string(i / 250) + "." + std::to_string(i % 250)}));
  }
  const auto full = builder->build();
  EXPECT_EQ(builder->build_stats().entries, 3000 * 3 + 1);  // and the empty non-terminal
  for (int i = 0; i < 3000; ++i) {
    builder->remove_service({"default", std::to_string(i)});
  }
  // Pointers that lead nowhere go with later builds.
  for (int i = 0; i < 3000 && builder->build_stats().entries > 0; ++i) {
    (void)builder->build();
  }
  EXPECT_EQ(builder->build_stats().entries, 0);
  EXPECT_EQ(builder->build_stats().owners, 0);
  EXPECT_EQ(seen(*full, "17.mesh"), "host 244.1.0.17");
}

}  // namespace
}  // namespace meshdns::dns
