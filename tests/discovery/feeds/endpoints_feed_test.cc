// The endpoints feed on a client whose server is the test.
#include "discovery/feeds/endpoints_feed.h"

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "discovery/feeds/resource_encoding.h"
#include "discovery/service.h"
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

const std::string kTypeUrl{kClusterLoadAssignmentTypeUrl};

ServiceEndpoints endpoints(const std::string& name, const std::string& address = "192.0.2.1") {
  return {{"default", name},
          {{IpAddress::parse(address).value(), 80, "east", Health::kHealthy, "i-1"}}};
}

DecodedResource good(const std::string& name, const std::string& version = "1",
                     const std::string& address = "192.0.2.1") {
  return {"default/" + name, version, kTypeUrl,
          encode_endpoints("default/" + name, endpoints(name, address).endpoints), true};
}

// An assignment without a name says nothing.
DecodedResource bad(const std::string& name, const std::string& version = "1") {
  return {"default/" + name, version, kTypeUrl, "", true};
}

class EndpointsFeedTest : public FeedFixture<EndpointsFeed> {
 protected:
  EndpointsFeedTest() : FeedFixture(kTypeUrl) {}
  void start(bool sotw = false) {
    make_client(sotw);
    feed = std::make_unique<EndpointsFeed>(
        *client, "default", [this](ServiceDelta delta) { deltas.push_back(std::move(delta)); });
    client->start();
  }
};

TEST_F(EndpointsFeedTest, AsksForThemAllByTheWildcardAndHasDeliveredOnceAnswered) {
  start();
  EXPECT_EQ(last_request().type_url(), kClusterLoadAssignmentTypeUrl);
  // Without a name endpoints are not asked for at all.
  EXPECT_THAT(last_request().resource_names_subscribe(), ElementsAre("*"));
  EXPECT_FALSE(feed->has_delivered());
  respond({});
  EXPECT_TRUE(feed->has_delivered()) << "an empty mesh is an answer";
  EXPECT_THAT(deltas, SizeIs(1));
  EXPECT_THAT(nack(), IsEmpty());
}

TEST_F(EndpointsFeedTest, DeliversWhatAResponseSaysAndTakesAway) {
  start();
  respond({good("web"), good("cache", "1", "2001:db8::1")}, {"default/shop", "no-slash"});
  ASSERT_THAT(deltas, SizeIs(1));
  EXPECT_EQ(deltas[0].feed, "endpoints");
  EXPECT_FALSE(deltas[0].full_state);
  EXPECT_THAT(deltas[0].endpoints,
              ElementsAre(endpoints("web"), endpoints("cache", "2001:db8::1")));
  EXPECT_THAT(deltas[0].removed_endpoints, ElementsAre(ServiceId{"default", "shop"}));
  EXPECT_THAT(deltas[0].services, IsEmpty());
  EXPECT_THAT(deltas[0].removed_services, IsEmpty());
  EXPECT_THAT(nack(), IsEmpty());
}

TEST_F(EndpointsFeedTest, TakesTheGoodOfAPartlyBadResponseAndNamesEachBadOne) {
  start();
  respond({bad("first"),
           good("web"),
           {"default/alias", "1", kTypeUrl, good("real").value, true},
           {"other/web", "1", kTypeUrl, encode_endpoints("other/web", {}), true},
           good("cache")});
  EXPECT_THAT(deltas.at(0).endpoints, ElementsAre(endpoints("web"), endpoints("cache")));
  EXPECT_THAT(nack(), HasSubstr("3 of the resources rejected"));
  EXPECT_THAT(nack(), HasSubstr("default/first: cluster_name: '' is no MESH/NAME"));
  EXPECT_THAT(nack(), HasSubstr("default/alias: the resource says it is 'default/real'"));
  EXPECT_THAT(nack(), HasSubstr("other/web: cluster_name: 'other/web' is not of the mesh"));
  EXPECT_THAT(nack(), Not(HasSubstr("default/web:")));
}

TEST_F(EndpointsFeedTest, ABadFormRemovesNothingAndTheNextStreamSaysWhatIsHeld) {
  start();
  respond({good("web", "1")});
  respond({bad("web", "2")});
  EXPECT_THAT(deltas.at(1).endpoints, IsEmpty());
  EXPECT_THAT(deltas.at(1).removed_endpoints, IsEmpty());
  const auto on_end = stream().events.on_end;
  on_end({.unimplemented = false, .reason = "gone"});
  std::exchange(world.timer, nullptr)();
  const auto versions = last_request().initial_resource_versions();
  EXPECT_THAT((std::map<std::string, std::string>{versions.begin(), versions.end()}),
              ElementsAre(Pair("default/web", "1")));
}

TEST_F(EndpointsFeedTest, AResponseInStateOfTheWorldMayBeAPart) {
  start(true);
  DiscoveryRequest request;
  ASSERT_TRUE(request.ParseFromString(stream().requests.back()));
  EXPECT_THAT(request.resource_names(), ElementsAre("*"));
  respond({good("web"), good("cache")});
  respond({good("web", "", "192.0.2.2")});
  EXPECT_FALSE(deltas.at(1).full_state);
  EXPECT_THAT(deltas.at(1).removed_endpoints, IsEmpty());
}

}  // namespace
}  // namespace meshdns::discovery
