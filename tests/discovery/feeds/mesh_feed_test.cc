// The mesh feed on a client whose server is the test.
#include "discovery/feeds/mesh_feed.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "discovery/feeds/resource_encoding.h"
#include "discovery/packed_service.h"
#include "discovery/service.h"
#include "discovery/service_table.h"
#include "discovery/xds/response.h"
#include "discovery/xds/type_urls.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "tests/discovery/feeds/feed_fixture.h"
#include "tests/discovery/xds/fake_transport.h"

namespace meshdns::discovery {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DiscoveryRequest;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;
using testing::SizeIs;
using testing::UnorderedElementsAre;

const std::string kTypeUrl{kServiceTypeUrl};

Service service(const std::string& name, const std::string& address = "192.0.2.1") {
  Service made;
  made.id = {"default", name};
  made.hostnames = {name + ".mesh"};
  made.addresses = {IpAddress::parse(address).value()};
  return made;
}

DecodedResource resource(const std::string& name, const std::string& version,
                         const std::string& value) {
  return {"default/" + name, version, kTypeUrl, value, true};
}

DecodedResource good(const std::string& name, const std::string& version = "1",
                     const std::string& address = "192.0.2.1") {
  return resource(name, version, encode_service(service(name, address)));
}

// A service without a name says nothing.
DecodedResource bad(const std::string& name, const std::string& version = "1") {
  return resource(name, version, "");
}

// Keeps what the feed says as the resolver does, in a table.
class MeshFeedTest : public FeedFixture<MeshFeed> {
 protected:
  MeshFeedTest() : FeedFixture(kTypeUrl) {}
  void start(bool sotw = false) {
    make_client(sotw);
    feed = std::make_unique<MeshFeed>(*client, "default", [this](ServiceDelta delta) {
      deltas.push_back(std::move(delta));
      changes.push_back(table.apply(deltas.back()));
    });
    client->start();
  }
  // NAME=ADDRESS of each service that counts, in order.
  [[nodiscard]] std::vector<std::string> held() const {
    std::vector<std::string> result;
    table.for_each_service([&](const Service& each) {
      result.push_back(each.id.name + "=" + each.addresses.at(0).to_string());
    });
    std::ranges::sort(result);
    return result;
  }

  ServiceTable table{{MeshFeed::kName}, clock, logger, registry};
  std::vector<TableChange> changes;
};

TEST_F(MeshFeedTest, AsksForEveryServiceAndHasDeliveredOnceAnswered) {
  start();
  EXPECT_EQ(last_request().type_url(), kServiceTypeUrl);
  EXPECT_FALSE(feed->has_delivered());
  respond({});
  EXPECT_TRUE(feed->has_delivered()) << "an empty mesh is an answer";
  EXPECT_THAT(deltas, SizeIs(1));
  EXPECT_THAT(nack(), IsEmpty());
}

TEST_F(MeshFeedTest, DeliversServicesInTheOrderOfTheResponse) {
  start();
  respond({good("web"), good("cache"), good("shop")});
  ASSERT_THAT(deltas, SizeIs(1));
  EXPECT_EQ(deltas[0].feed, "mesh");
  EXPECT_FALSE(deltas[0].full_state);
  EXPECT_THAT(deltas[0].services, ElementsAre(service("web"), service("cache"), service("shop")));
  EXPECT_THAT(held(), ElementsAre("cache=192.0.2.1", "shop=192.0.2.1", "web=192.0.2.1"));
}

TEST_F(MeshFeedTest, AChangeAndARemovalTouchNothingElse) {
  start();
  respond({good("web"), good("cache"), good("shop")});
  respond({good("web", "2", "192.0.2.9")}, {"default/cache"});
  EXPECT_THAT(held(), ElementsAre("shop=192.0.2.1", "web=192.0.2.9"));
  EXPECT_THAT(changes[1].services, ElementsAre(PackedService(service("web", "192.0.2.9"))));
  EXPECT_THAT(changes[1].removed_services, ElementsAre(ServiceId{"default", "cache"}));
  EXPECT_THAT(nack(), IsEmpty()) << "a removal is acknowledged";
}

TEST_F(MeshFeedTest, TheSameServiceAgainIsNoChange) {
  start();
  respond({good("web")});
  respond({good("web", "2")});
  EXPECT_TRUE(changes[1].empty());
}

TEST_F(MeshFeedTest, RemovingWhatIsNotThereIsNoChangeAndNoFault) {
  start();
  respond({good("web")});
  respond({}, {"default/never", "no-slash", "/", "default/"});
  EXPECT_TRUE(changes[1].empty());
  EXPECT_THAT(held(), ElementsAre("web=192.0.2.1"));
  EXPECT_THAT(nack(), IsEmpty());
}

TEST_F(MeshFeedTest, TakesTheGoodOfAPartlyBadResponseAndNamesEachBadOne) {
  start();
  Service elsewhere = service("web");
  elsewhere.id.mesh = "other";
  respond({bad("first"),
           good("web"),
           resource("bytes", "1", "\xff\xff"),
           resource("alias", "1", encode_service(service("real"))),
           {"other/web", "1", kTypeUrl, encode_service(elsewhere), true},
           good("cache")});
  EXPECT_THAT(held(), ElementsAre("cache=192.0.2.1", "web=192.0.2.1"));
  EXPECT_THAT(nack(), HasSubstr("4 of the resources rejected"));
  EXPECT_THAT(nack(), HasSubstr("default/first: mesh: '' is empty"));
  EXPECT_THAT(nack(), HasSubstr("default/bytes: the value is no meshdns.mesh.v1.Service"));
  EXPECT_THAT(nack(), HasSubstr("default/alias: the resource says it is 'default/real'"));
  EXPECT_THAT(nack(), HasSubstr("other/web: mesh: 'other' is not the mesh of this resolver"));
  EXPECT_THAT(nack(), Not(HasSubstr("default/web:")));
  EXPECT_THAT(nack(), Not(HasSubstr("default/cache")));
  EXPECT_TRUE(feed->has_delivered());
}

TEST_F(MeshFeedTest, ABadFormKeepsTheLastGoodOneUntilAGoodOneOrARemoval) {
  start();
  respond({good("web"), good("cache")});
  respond({bad("web", "2"), bad("cache", "2")});
  EXPECT_THAT(nack(), HasSubstr("default/web"));
  EXPECT_THAT(held(), ElementsAre("cache=192.0.2.1", "web=192.0.2.1"));
  respond({good("web", "3", "192.0.2.3")}, {"default/cache"});
  EXPECT_THAT(nack(), IsEmpty());
  EXPECT_THAT(held(), ElementsAre("web=192.0.2.3"));
}

TEST_F(MeshFeedTest, ALostConnectionKeepsEverythingAndTheNextSaysWhatIsHeld) {
  start();
  respond({good("web", "1"), good("cache", "1")});
  respond({good("web", "2", "192.0.2.2"), bad("cache", "2")});
  reconnect();
  EXPECT_THAT(held(), ElementsAre("cache=192.0.2.1", "web=192.0.2.2"));
  EXPECT_TRUE(feed->has_delivered());
  const auto versions = last_request().initial_resource_versions();
  EXPECT_THAT((std::map<std::string, std::string>{versions.begin(), versions.end()}),
              UnorderedElementsAre(Pair("default/web", "2"), Pair("default/cache", "1")));
}

TEST_F(MeshFeedTest, AnotherTargetBringsItsOwnServices) {
  start();
  respond({good("web"), good("cache")});
  ASSERT_TRUE(client->set_targets({"unix:/two"}));
  reconnect();
  ASSERT_EQ(stream().target, "unix:/two");
  EXPECT_THAT(held(), ElementsAre("cache=192.0.2.1", "web=192.0.2.1")) << "until it has spoken";
  respond({good("web", "5", "192.0.2.5"), good("shop")}, {"default/cache"});
  EXPECT_THAT(held(), ElementsAre("shop=192.0.2.1", "web=192.0.2.5"));
}

TEST_F(MeshFeedTest, AResourceWithoutANameIsRefused) {
  start();
  DecodedResource nameless = good("web");
  nameless.name.clear();
  respond({nameless, good("cache")});
  EXPECT_THAT(held(), ElementsAre("cache=192.0.2.1"));
  EXPECT_THAT(last_request().error_detail().message(), HasSubstr("(unnamed): the resource says"));
}

TEST_F(MeshFeedTest, AFullStateTakesAwayWhatItDoesNotList) {
  start(true);
  respond({good("web"), good("cache")});
  respond({good("web")});
  EXPECT_TRUE(deltas[1].full_state);
  EXPECT_THAT(held(), ElementsAre("web=192.0.2.1"));
}

TEST_F(MeshFeedTest, AFullStateWithABadResourceTakesNothingAway) {
  start(true);
  respond({good("web"), good("cache"), good("shop")});
  // Whose value cannot be read may be any of the others.
  respond({good("web", "", "192.0.2.2"), {"", "", kTypeUrl, "\xff", true}});
  EXPECT_FALSE(deltas[1].full_state);
  EXPECT_THAT(held(), ElementsAre("cache=192.0.2.1", "shop=192.0.2.1", "web=192.0.2.2"));
  DiscoveryRequest reply;
  ASSERT_TRUE(reply.ParseFromString(stream().requests.back()));
  EXPECT_THAT(reply.error_detail().message(), HasSubstr("(unnamed): the value is no"));
  EXPECT_EQ(reply.version_info(), "v1") << "the last one taken whole";
  // The next good one does.
  respond({good("web", "", "192.0.2.2")});
  EXPECT_THAT(held(), ElementsAre("web=192.0.2.2"));
}

}  // namespace
}  // namespace meshdns::discovery
