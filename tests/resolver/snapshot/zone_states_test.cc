#include "resolver/snapshot/zone_states.h"

#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "base/result.h"
#include "resolver/snapshot/zone_set.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {
namespace {

using testing::ElementsAre;
using Texts = std::vector<std::string>;

const std::vector<IpPrefix> kPools{IpPrefix::parse("10.0.0.0/8").value()};

// "NAME" of each zone, with "+ready", "+awaits", "+shared" and "+pool" where that is so.
Texts described(const ZoneSet& zones) {
  Texts texts;
  for (const OwnedZone& zone : zones.zones()) {
    texts.push_back(zone.name.to_text() + (zone.ready ? "+ready" : "") +
                    (zone.awaits_instances ? "+awaits" : "") + (zone.is_shared ? "+shared" : "") +
                    (zone.pool ? "+pool" : ""));
  }
  return texts;
}

TEST(ZoneStates, AreOneOfEachNameHoweverItIsWritten) {
  const auto zones =
      ZoneStates::create(Texts{"mesh.", "MESH", "a.mesh"},
                         Texts{"svc.mesh", "cluster.local", "Cluster.Local."}, kPools);
  ASSERT_TRUE(zones);
  EXPECT_THAT(described(*zones->current()),
              ElementsAre("mesh.", "a.mesh.", "cluster.local.+shared", "10.in-addr.arpa.+pool"));
}

TEST(ZoneStates, RefuseWhatIsNoZone) {
  for (const std::string& text : Texts{"", ".", "a..b", std::string(64, 'x')}) {
    for (const bool is_shared : {false, true}) {
      const Texts zone{text};
      const auto refused =
          ZoneStates::create(is_shared ? Texts() : zone, is_shared ? zone : Texts(), kPools);
      ASSERT_FALSE(refused) << text;
      EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
      EXPECT_EQ(refused.error().message,
                "zone \"" + text + "\" is not a domain name below the root");
    }
  }
}

TEST(ZoneStates, BecomeReadyTogetherOrOneByOneAndSetsThatWereHandedOutStay) {
  auto zones = ZoneStates::create(Texts{"mesh", "other"}, Texts(), kPools).value();
  const std::shared_ptr<const ZoneSet> before = zones.current();
  zones.set_ready(Name::from_text("OTHER").value(), true);
  EXPECT_THAT(described(*zones.current()),
              ElementsAre("mesh.", "other.+ready", "10.in-addr.arpa.+pool"));
  EXPECT_THAT(described(*zones.all_ready()),
              ElementsAre("mesh.+ready", "other.+ready", "10.in-addr.arpa.+ready+pool"));
  zones.set_ready(true);
  EXPECT_EQ(described(*zones.current()), described(*zones.all_ready()));
  zones.set_ready(false);
  EXPECT_EQ(described(*zones.current()), described(*before));
}

TEST(ZoneStates, OfPoolsAwaitNoInstances) {
  auto zones = ZoneStates::create(Texts{"mesh"}, Texts(), kPools).value();
  zones.set_awaits_instances(true);
  EXPECT_THAT(described(*zones.current()), ElementsAre("mesh.+awaits", "10.in-addr.arpa.+pool"));
  zones.set_awaits_instances(false);
  EXPECT_THAT(described(*zones.current()), ElementsAre("mesh.", "10.in-addr.arpa.+pool"));
}

}  // namespace
}  // namespace meshdns::dns
