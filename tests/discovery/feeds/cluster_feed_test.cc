// The feed of clusters, and that of their endpoints, on a client whose server is the test.
#include "discovery/feeds/cluster_feed.h"

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "discovery/feeds/cluster.h"
#include "discovery/feeds/cluster_endpoints.h"
#include "discovery/service.h"
#include "discovery/service_table.h"
#include "discovery/xds/ads_client.h"
#include "discovery/xds/held_versions.h"
#include "discovery/xds/request.h"
#include "discovery/xds/response.h"
#include "discovery/xds/type_urls.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "tests/discovery/feeds/feed_fixture.h"
#include "tests/discovery/xds/fake_transport.h"
#include "tests/support/xds_messages.h"

namespace meshdns::discovery {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DiscoveryRequest;
using support::cluster_with;
using support::eds_cluster;
using support::load_assignment;
using support::WireEndpoint;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;
using testing::SizeIs;
using testing::UnorderedElementsAre;

constexpr int kStatic = 0;  // of Cluster.DiscoveryType
constexpr int kStrictDns = 1;
constexpr int kOriginalDst = 4;

ServiceId id(const std::string& name) { return {"default", name}; }

std::vector<std::string> names_of(const std::vector<Service>& services) {
  std::vector<std::string> names;
  for (const Service& service : services) {
    names.push_back(service.id.name);
  }
  return names;
}

// "CLUSTER=ADDRESS,ADDRESS" of each.
std::vector<std::string> served(const std::vector<ServiceEndpoints>& all) {
  std::vector<std::string> texts;
  for (const ServiceEndpoints& each : all) {
    std::string text = each.service.name + "=";
    for (const Endpoint& endpoint : each.endpoints) {
      text += (text.ends_with('=') ? "" : ",") + endpoint.address.to_string();
    }
    texts.push_back(std::move(text));
  }
  return texts;
}

class ClusterFeedTest : public FeedFixture<ClusterFeed> {
 protected:
  ClusterFeedTest() : FeedFixture(kClusterTypeUrl) {}
  struct Start {
    bool endpoints = true;
    bool sotw = false;
    ClusterFeed::Held held = {};
  };
  void start() { start(Start{}); }
  void start(const Start& how) {
    make_client(how.sotw);
    feed = std::make_unique<ClusterFeed>(
        *client, logger,
        ClusterFeed::Options{.naming = {.mesh = "default", .zones = {"mesh"}},
                             .endpoints = how.endpoints},
        [this](ServiceDelta delta) { deltas.push_back(std::move(delta)); }, how.held);
    client->start();
  }
  // A response to the feed, which forgets what it told before.
  void respond(std::string_view type_url, std::vector<DecodedResource> resources,
               std::vector<std::string> removed) {
    deltas.clear();
    stream().requests.clear();
    respond_with(type_url, std::move(resources), std::move(removed));
  }
  struct Told {
    std::string name;
    std::string value;
    std::string version = "1";
  };
  void tell(std::string_view type_url, const std::vector<Told>& told,
            std::vector<std::string> removed) {
    const bool is_delta = stream().variant == XdsVariant::kDelta;
    std::vector<DecodedResource> resources;
    for (const Told& each : told) {
      resources.push_back(
          {each.name, is_delta ? each.version : "", std::string(type_url), each.value, true});
    }
    respond(type_url, std::move(resources), std::move(removed));
  }
  void tell_clusters(const std::vector<Told>& told, std::vector<std::string> removed = {}) {
    tell(kClusterTypeUrl, told, std::move(removed));
  }
  void tell_endpoints(const std::vector<Told>& told, std::vector<std::string> removed = {}) {
    tell(kClusterLoadAssignmentTypeUrl, told, std::move(removed));
  }
  static Told eds(const std::string& name, const std::string& assignment = {},
                  const std::string& version = "1") {
    return {name, eds_cluster(name, assignment), version};
  }
  static Told at(const std::string& name, const std::string& address,
                 const std::string& version = "1") {
    return {name, load_assignment(name, {{address}}), version};
  }

  // Of the requests since the last response: the last one of a type.
  DeltaDiscoveryRequest delta_request(std::string_view type_url) {
    DeltaDiscoveryRequest found;
    for (const std::string& octets : stream().requests) {
      DeltaDiscoveryRequest request;
      EXPECT_TRUE(request.ParseFromString(octets));
      if (request.type_url() == type_url) {
        found = request;
      }
    }
    return found;
  }
  // Names of endpoints that were asked for, or no more, since the last response: "+web", "-web".
  std::vector<std::string> changes_of_interest() {
    std::vector<std::string> changes;
    for (const std::string& octets : stream().requests) {
      DeltaDiscoveryRequest request;
      EXPECT_TRUE(request.ParseFromString(octets));
      if (request.type_url() == kClusterLoadAssignmentTypeUrl) {
        for (const std::string& name : request.resource_names_unsubscribe()) {
          changes.push_back("-" + name);
        }
        for (const std::string& name : request.resource_names_subscribe()) {
          changes.push_back("+" + name);
        }
      }
    }
    return changes;
  }
  std::string nack_of(std::string_view type_url) {
    return delta_request(type_url).error_detail().message();
  }
  // All that was told of a feed since the last response.
  ServiceDelta told_of(const std::string& name) {
    ServiceDelta all{.feed = name};
    for (const ServiceDelta& delta : deltas) {
      if (delta.feed == name) {
        all.full_state = delta.full_state;
        all.awaits_more = delta.awaits_more;
        const auto append = [](auto& into, const auto& from) {
          into.insert(into.end(), from.begin(), from.end());
        };
        append(all.services, delta.services);
        append(all.removed_services, delta.removed_services);
        append(all.endpoints, delta.endpoints);
        append(all.removed_endpoints, delta.removed_endpoints);
        append(all.accepted, delta.accepted);
      }
    }
    return all;
  }
  ServiceDelta clusters() { return told_of(ClusterFeed::kName); }
  ServiceDelta endpoints() { return told_of(ClusterEndpoints::kName); }
  // What was accepted, as a process that starts later reads it.
  ClusterFeed::Held read_back(const ServiceDelta& of_clusters, const ServiceDelta& of_endpoints) {
    const auto view_of = [](const ServiceDelta& delta) {
      ResponseView view;
      for (const AcceptedResource& resource : delta.accepted) {
        view.resources.push_back({resource.name, resource.version, resource.value, {}});
      }
      return view;
    };
    const auto held_of = [](const ServiceDelta& delta) {
      HeldVersions held;
      for (const AcceptedResource& resource : delta.accepted) {
        held.set(resource.name, resource.version);
      }
      return held;
    };
    std::vector<Rejection> rejections;
    restored_clusters =
        ClusterFeed::read(view_of(of_clusters), {.mesh = "default", .zones = {"mesh"}}, rejections);
    restored_endpoints = ClusterEndpoints::read(view_of(of_endpoints), rejections);
    EXPECT_THAT(rejections, IsEmpty());
    return {.clusters = held_of(restored_clusters), .endpoints = held_of(restored_endpoints)};
  }

  ServiceDelta restored_clusters;
  ServiceDelta restored_endpoints;
};

TEST_F(ClusterFeedTest, AsksForAllClustersAndForNoEndpointsUnlessSomebodyNeedsThem) {
  start({.endpoints = false});
  ASSERT_THAT(stream().requests, SizeIs(1));
  EXPECT_EQ(delta_request(kClusterTypeUrl).type_url(), kClusterTypeUrl);
  EXPECT_THAT(delta_request(kClusterTypeUrl).resource_names_subscribe(), IsEmpty());
  EXPECT_FALSE(feed->has_delivered());
  tell_clusters({eds("web")});
  EXPECT_TRUE(feed->has_delivered());
  EXPECT_THAT(names_of(clusters().services), ElementsAre("web"));
  EXPECT_THAT(stream().requests, SizeIs(1)) << "the ACK";
  EXPECT_THAT(deltas, SizeIs(1));
}

TEST_F(ClusterFeedTest, AnEmptyTableIsOneAndThereIsNothingToWaitFor) {
  start();
  tell_clusters({});
  EXPECT_TRUE(feed->has_delivered());
  EXPECT_THAT(clusters().services, IsEmpty());
  EXPECT_FALSE(endpoints().awaits_more);
  EXPECT_THAT(deltas, SizeIs(2)) << "each feed says so";
}

TEST_F(ClusterFeedTest, EndpointsAreAskedForByNameAndAwaited) {
  start();
  tell_clusters(
      {eds("web"), eds("db", "shop/db"), {"fixed", cluster_with(kStatic, "fixed", {"192.0.2.9"})}});
  EXPECT_THAT(changes_of_interest(), ElementsAre("+shop/db", "+web"));
  EXPECT_THAT(served(endpoints().endpoints), ElementsAre("fixed=192.0.2.9"));
  EXPECT_TRUE(endpoints().awaits_more);
  EXPECT_FALSE(feed->has_delivered());
  EXPECT_EQ(deltas.front().feed, ClusterEndpoints::kName)
      << "a service never appears without the endpoints that came with it";
  tell_endpoints({at("web", "192.0.2.1")});
  EXPECT_THAT(served(endpoints().endpoints), ElementsAre("web=192.0.2.1"));
  EXPECT_TRUE(endpoints().awaits_more);
  tell_endpoints({at("shop/db", "192.0.2.2")});
  EXPECT_THAT(served(endpoints().endpoints), ElementsAre("db=192.0.2.2"));
  EXPECT_FALSE(endpoints().awaits_more);
  EXPECT_TRUE(feed->has_delivered());
}

TEST_F(ClusterFeedTest, ARemovedClusterTakesItsEndpointsAlongAndIsAskedForAgainWhenItReturns) {
  start();
  tell_clusters({eds("web"), eds("db")});
  tell_endpoints({at("web", "192.0.2.1"), at("db", "192.0.2.2")});
  tell_clusters({}, {"web", "never"});
  EXPECT_THAT(clusters().removed_services, ElementsAre(id("web")));
  EXPECT_THAT(endpoints().removed_endpoints, ElementsAre(id("web")));
  EXPECT_THAT(changes_of_interest(), ElementsAre("-web"));
  tell_clusters({eds("web")});
  EXPECT_THAT(changes_of_interest(), ElementsAre("+web"));
  tell_endpoints({at("web", "192.0.2.3")});
  EXPECT_THAT(served(endpoints().endpoints), ElementsAre("web=192.0.2.3"));
}

TEST_F(ClusterFeedTest, ServicesGoBeforeTheirEndpointsSoThatAHoldDownHoldsBoth) {
  start();
  std::vector<Told> told;
  std::vector<Told> assignments;
  std::vector<std::string> all;
  for (int i = 0; i < 12; ++i) {
    const std::string name = fmt::format("s{}", i);
    all.push_back(name);
    // Of too few to be held down for themselves.
    told.push_back(i < 3 ? eds(name) : Told{name, cluster_with(kStrictDns, name, {})});
    if (i < 3) {
      assignments.push_back(at(name, "192.0.2.1"));
    }
  }
  ServiceTable table({ClusterFeed::kName, ClusterEndpoints::kName}, clock, logger, registry);
  const auto apply = [&] {
    std::size_t removed = 0;
    for (const ServiceDelta& delta : deltas) {
      const TableChange change = table.apply(delta);
      removed += change.removed_services.size() + change.removed_endpoints.size();
    }
    return removed;
  };
  tell_clusters(told);
  EXPECT_EQ(apply(), 0U);
  tell_endpoints(assignments);
  EXPECT_EQ(apply(), 0U);
  tell_clusters({}, all);
  EXPECT_EQ(apply(), 0U);
  clock.advance(ServiceTable::kHoldDown);
  const TableChange gone = table.expire();
  EXPECT_THAT(gone.removed_services, SizeIs(12));
  EXPECT_THAT(gone.removed_endpoints, SizeIs(3));
}

TEST_F(ClusterFeedTest, AClusterThatChangesItsAssignmentKeepsWhatItHadUntilTheNewOneIsThere) {
  start();
  tell_clusters({eds("web", "blue")});
  tell_endpoints({at("blue", "192.0.2.1")});
  tell_clusters({eds("web", "green", "2")});
  EXPECT_THAT(changes_of_interest(), UnorderedElementsAre("+green", "-blue"));
  EXPECT_THAT(endpoints().removed_endpoints, IsEmpty());
  tell_endpoints({at("green", "192.0.2.2")});
  EXPECT_THAT(served(endpoints().endpoints), ElementsAre("web=192.0.2.2"));
}

TEST_F(ClusterFeedTest, TwoClustersMayGoByOneAssignmentEvenLater) {
  start();
  tell_clusters({eds("web", "shared"), eds("web2", "shared")});
  EXPECT_THAT(changes_of_interest(), ElementsAre("+shared"));
  tell_endpoints({at("shared", "192.0.2.1")});
  EXPECT_THAT(served(endpoints().endpoints), ElementsAre("web=192.0.2.1", "web2=192.0.2.1"));
  // What was told is told again to who asks for it again.
  tell_clusters({eds("web3", "shared")});
  EXPECT_THAT(changes_of_interest(), ElementsAre("-shared", "+shared"));
  tell_endpoints({at("shared", "192.0.2.1")});
  EXPECT_THAT(served(endpoints().endpoints),
              ElementsAre("web=192.0.2.1", "web2=192.0.2.1", "web3=192.0.2.1"));
  tell_clusters({}, {"web", "web2"});
  EXPECT_THAT(changes_of_interest(), IsEmpty());
  tell_clusters({}, {"web3"});
  EXPECT_THAT(changes_of_interest(), ElementsAre("-shared"));
}

TEST_F(ClusterFeedTest, ClustersThatSwapTheirAssignmentsAreToldBothAgain) {
  start();
  tell_clusters({eds("a", "x"), eds("b", "y")});
  tell_endpoints({at("x", "192.0.2.1"), at("y", "192.0.2.2")});
  tell_clusters({eds("a", "y", "2"), eds("b", "x", "2")});
  EXPECT_THAT(changes_of_interest(), UnorderedElementsAre("-x", "-y", "+x", "+y"));
  tell_endpoints({at("x", "192.0.2.1"), at("y", "192.0.2.2")});
  EXPECT_THAT(served(endpoints().endpoints), ElementsAre("b=192.0.2.1", "a=192.0.2.2"));
}

TEST_F(ClusterFeedTest, AnAssignmentPassesFromAClusterThatGoesToOneThatComes) {
  start();
  tell_clusters({eds("a", "x")});
  tell_endpoints({at("x", "192.0.2.1")});
  tell_clusters({eds("b", "x")}, {"a"});
  EXPECT_THAT(changes_of_interest(), ElementsAre("-x", "+x"));
  tell_endpoints({at("x", "192.0.2.1")});
  EXPECT_THAT(served(endpoints().endpoints), ElementsAre("b=192.0.2.1"));
}

TEST_F(ClusterFeedTest, BadResourcesAreNamedAndTheGoodOfTheSameResponseCount) {
  start();
  tell_clusters({eds("web"),
                 {"broken", "\xff"},
                 {"alias", eds_cluster("real")},
                 {"fixed", cluster_with(kStatic, "fixed", {"nowhere"})}});
  EXPECT_THAT(names_of(clusters().services), ElementsAre("web"));
  const std::string clusters_nack = nack_of(kClusterTypeUrl);
  EXPECT_THAT(clusters_nack, HasSubstr("3 of the resources rejected"));
  EXPECT_THAT(clusters_nack, HasSubstr("broken: the value is no Cluster"));
  EXPECT_THAT(clusters_nack, HasSubstr("alias: the resource says it is 'real'"));
  EXPECT_THAT(clusters_nack, HasSubstr("fixed: load_assignment: endpoint address: 'nowhere'"));
  tell_clusters({eds("db")});
  tell_endpoints({at("web", "192.0.2.1"), {"db", load_assignment("db", {{"nowhere"}})}});
  EXPECT_THAT(served(endpoints().endpoints), ElementsAre("web=192.0.2.1"));
  EXPECT_THAT(nack_of(kClusterLoadAssignmentTypeUrl),
              HasSubstr("db: endpoint address: 'nowhere' is no IP address"));
}

TEST_F(ClusterFeedTest, WhatABadFormHeldStaysAndIsClaimedInItsGoodVersion) {
  start();
  tell_clusters({eds("web", "", "1")});
  tell_endpoints({at("web", "192.0.2.1", "1")});
  tell_clusters({{"web", "\xff", "2"}});
  EXPECT_THAT(clusters().removed_services, IsEmpty());
  tell_endpoints({{"web", "\xff", "2"}});
  EXPECT_THAT(endpoints().removed_endpoints, IsEmpty());
  EXPECT_THAT(endpoints().endpoints, IsEmpty());
  reconnect();
  EXPECT_EQ(delta_request(kClusterTypeUrl).initial_resource_versions().at("web"), "1");
  EXPECT_EQ(delta_request(kClusterLoadAssignmentTypeUrl).initial_resource_versions().at("web"),
            "1");
}

TEST_F(ClusterFeedTest, ClustersThatNameNoHostAreLeftOutWithoutARefusal) {
  start();
  tell_clusters(
      {eds("outbound|80||web.shop"), eds("web"), {"pass", cluster_with(kOriginalDst, "pass", {})}});
  EXPECT_THAT(names_of(clusters().services), ElementsAre("web"));
  EXPECT_THAT(nack_of(kClusterTypeUrl), IsEmpty());
  EXPECT_THAT(clusters().accepted, SizeIs(1)) << "no trace of the others on disk";
  EXPECT_THAT(log.str(), HasSubstr("left out count=2 first=\"'outbound|80||web.shop' is no DNS"));
  tell_clusters({}, {"outbound|80||web.shop"});
  EXPECT_THAT(clusters().removed_services, IsEmpty());
}

TEST_F(ClusterFeedTest, AssignmentsOfClustersThatAreLeftOutAreAskedForAndNotTold) {
  start();
  tell_clusters({eds("a|b", "x"), eds("c|d", "shared"), eds("web", "shared")});
  EXPECT_THAT(changes_of_interest(), ElementsAre("+shared", "+x"))
      << "a server may answer nobody who asks for less";
  tell_endpoints({at("shared", "192.0.2.1")});
  EXPECT_THAT(served(endpoints().endpoints), ElementsAre("web=192.0.2.1"));
  EXPECT_TRUE(feed->has_delivered()) << "nobody waits for x";
  tell_endpoints({at("x", "192.0.2.2")});
  EXPECT_THAT(endpoints().endpoints, IsEmpty());
  EXPECT_THAT(endpoints().accepted, IsEmpty());
  // A service comes to go by it.
  tell_clusters({eds("db", "x")});
  EXPECT_THAT(changes_of_interest(), ElementsAre("-x", "+x"));
  tell_endpoints({at("x", "192.0.2.2")});
  EXPECT_THAT(served(endpoints().endpoints), ElementsAre("db=192.0.2.2"));
  tell_clusters({}, {"db", "c|d"});
  EXPECT_THAT(changes_of_interest(), IsEmpty());
  tell_clusters({}, {"a|b", "web"});
  EXPECT_THAT(changes_of_interest(), UnorderedElementsAre("-x", "-shared"));
}

TEST_F(ClusterFeedTest, AServiceThatNamesNoHostAnyMoreIsGone) {
  start();
  tell_clusters({eds("web")});
  tell_endpoints({at("web", "192.0.2.1")});
  tell_clusters({{"web", cluster_with(kOriginalDst, "web", {}), "2"}});
  EXPECT_THAT(clusters().removed_services, ElementsAre(id("web")));
  EXPECT_THAT(endpoints().removed_endpoints, ElementsAre(id("web")));
  tell_clusters({eds("web", "", "3")});
  EXPECT_THAT(names_of(clusters().services), ElementsAre("web"));
  EXPECT_THAT(changes_of_interest(), ElementsAre("+web"));
}

TEST_F(ClusterFeedTest, NoEndpointsAreAnAnswerAndAnAssignmentThatIsGoneIsNone) {
  start();
  tell_clusters({eds("empty"), eds("gone")});
  tell_endpoints({{"empty", load_assignment("empty", {})}, at("gone", "192.0.2.1")});
  EXPECT_THAT(served(endpoints().endpoints), ElementsAre("empty=", "gone=192.0.2.1"));
  tell_endpoints({}, {"gone", "nobodys"});
  EXPECT_THAT(endpoints().removed_endpoints, ElementsAre(id("gone")));
  // It may come back, since it is asked for all the while.
  tell_endpoints({at("gone", "192.0.2.2", "2")});
  EXPECT_THAT(served(endpoints().endpoints), ElementsAre("gone=192.0.2.2"));
}

TEST_F(ClusterFeedTest, EndpointsOfNobodyAreLeftAlone) {
  start();
  tell_clusters({eds("web")});
  tell_endpoints({at("web", "192.0.2.1"), at("stranger", "192.0.2.2")});
  EXPECT_THAT(served(endpoints().endpoints), ElementsAre("web=192.0.2.1"));
  EXPECT_THAT(nack_of(kClusterLoadAssignmentTypeUrl), IsEmpty());
  tell_endpoints({{"", load_assignment("", {})}});
  EXPECT_THAT(nack_of(kClusterLoadAssignmentTypeUrl), HasSubstr("nobody asked for it"));
}

TEST_F(ClusterFeedTest, InStateOfTheWorldOneChangedClusterIsAllThatIsTouched) {
  constexpr int kClusters = 10'000;
  start({.sotw = true});
  std::vector<Told> told;
  std::vector<Told> assignments;
  for (int i = 0; i < kClusters; ++i) {
    told.push_back(eds(fmt::format("s{}", i)));
    assignments.push_back(at(fmt::format("s{}", i), "192.0.2.1"));
  }
  ServiceTable table({ClusterFeed::kName, ClusterEndpoints::kName}, clock, logger, registry);
  tell_clusters(told);
  EXPECT_TRUE(deltas.front().full_state) << "so large a table is known to be whole";
  for (const ServiceDelta& delta : deltas) {
    (void)table.apply(delta);
  }
  tell_endpoints(assignments);
  EXPECT_THAT(endpoints().endpoints, SizeIs(kClusters));
  (void)table.apply(deltas.front());

  told[7] = {"s7", cluster_with(kStatic, "s7", {"192.0.2.7"})};
  tell_clusters(told);
  EXPECT_THAT(names_of(clusters().services), ElementsAre("s7"));
  EXPECT_THAT(clusters().accepted, SizeIs(1));
  EXPECT_THAT(served(endpoints().endpoints), ElementsAre("s7=192.0.2.7"));

  assignments.erase(assignments.begin() + 7);
  assignments[0] = at("s0", "192.0.2.8");
  tell_endpoints(assignments);
  EXPECT_THAT(served(endpoints().endpoints), ElementsAre("s0=192.0.2.8"));
  EXPECT_THAT(table.apply(deltas.front()).endpoints, SizeIs(1));

  told.pop_back();
  tell_clusters(told);
  EXPECT_THAT(clusters().services, IsEmpty());
  EXPECT_THAT(clusters().removed_services, ElementsAre(id("s9999")));
  EXPECT_FALSE(clusters().full_state);
}

TEST_F(ClusterFeedTest, OfADeltaOneChangedClusterIsAllThatIsTouched) {
  start();
  std::vector<Told> told;
  for (int i = 0; i < 10'000; ++i) {
    told.push_back(eds(fmt::format("s{}", i)));
  }
  tell_clusters(told);
  told.resize(1);
  told[0].version = "2";
  tell_clusters(told);
  EXPECT_THAT(names_of(clusters().services), ElementsAre("s0"));
  EXPECT_THAT(changes_of_interest(), IsEmpty());
}

TEST_F(ClusterFeedTest, InStateOfTheWorldEndpointsComeInPartsAndClustersWhole) {
  start({.sotw = true});
  tell_clusters({eds("web"), eds("db")});
  tell_endpoints({at("web", "192.0.2.1")});
  tell_endpoints({at("db", "192.0.2.2")});
  EXPECT_THAT(endpoints().removed_endpoints, IsEmpty());
  // A bad cluster in it: then what is missing is not said to be gone.
  tell_clusters({{"web", "\xff"}});
  EXPECT_THAT(clusters().removed_services, IsEmpty());
  tell_clusters({eds("web")});
  EXPECT_THAT(clusters().removed_services, ElementsAre(id("db")));
  EXPECT_THAT(endpoints().removed_endpoints, ElementsAre(id("db")));
  DiscoveryRequest request;
  ASSERT_TRUE(request.ParseFromString(stream().requests.front()));
  EXPECT_EQ(request.type_url(), kClusterLoadAssignmentTypeUrl);
  EXPECT_THAT(request.resource_names(), ElementsAre("web"));
  tell_clusters({});
  EXPECT_THAT(clusters().removed_services, ElementsAre(id("web")));
}

TEST_F(ClusterFeedTest, AfterARestartTheServerIsToldWhatIsHeldAndAskedForEndpointsAtOnce) {
  start();
  tell_clusters({eds("web", "shared", "5"),
                 eds("web2", "shared", "6"),
                 eds("db", "", "7"),
                 {"fixed", cluster_with(kStatic, "fixed", {"192.0.2.9"}), "8"}});
  const ServiceDelta of_clusters = clusters();
  ServiceDelta of_endpoints = endpoints();
  tell_endpoints({at("shared", "192.0.2.1", "9")});
  const ServiceDelta more = endpoints();
  of_endpoints.accepted.insert(of_endpoints.accepted.end(), more.accepted.begin(),
                               more.accepted.end());
  const ClusterFeed::Held held = read_back(of_clusters, of_endpoints);
  EXPECT_THAT(names_of(restored_clusters.services), ElementsAre("web", "web2", "db", "fixed"));
  EXPECT_THAT(served(restored_endpoints.endpoints),
              ElementsAre("fixed=192.0.2.9", "web=192.0.2.1", "web2=192.0.2.1"));

  client.reset();
  start({.held = held});
  const auto versions = delta_request(kClusterTypeUrl).initial_resource_versions();
  EXPECT_THAT(
      (std::map<std::string, std::string>{versions.begin(), versions.end()}),
      ElementsAre(Pair("db", "7"), Pair("fixed", "8"), Pair("web", "5"), Pair("web2", "6")));
  const DeltaDiscoveryRequest asked = delta_request(kClusterLoadAssignmentTypeUrl);
  EXPECT_THAT(asked.resource_names_subscribe(), ElementsAre("db", "shared"));
  const auto held_versions = asked.initial_resource_versions();
  EXPECT_THAT((std::map<std::string, std::string>{held_versions.begin(), held_versions.end()}),
              ElementsAre(Pair("shared", "9")));
  tell_clusters({}, {"fixed"});
  EXPECT_THAT(clusters().removed_services, ElementsAre(id("fixed")));
  EXPECT_TRUE(endpoints().awaits_more) << "those of db";
  tell_endpoints({at("db", "192.0.2.2")});
  EXPECT_TRUE(feed->has_delivered());
}

TEST_F(ClusterFeedTest, AVersionOfAnotherAssignmentIsNotClaimed) {
  start();
  tell_clusters({eds("web", "blue", "5"), eds("db", "both", "1"), eds("db2", "both", "1")});
  const ServiceDelta first = clusters();
  tell_endpoints({at("blue", "192.0.2.1", "9"), at("both", "192.0.2.2", "3")});
  ServiceDelta of_endpoints = endpoints();
  tell_clusters({eds("web", "green", "6")});
  ServiceDelta of_clusters = clusters();
  of_clusters.accepted.insert(of_clusters.accepted.end(), first.accepted.begin() + 1,
                              first.accepted.end());
  // The log lost the endpoints of one of two that go by the same assignment.
  of_endpoints.accepted.pop_back();
  const ClusterFeed::Held held = read_back(of_clusters, of_endpoints);
  client.reset();
  start({.held = held});
  const DeltaDiscoveryRequest asked = delta_request(kClusterLoadAssignmentTypeUrl);
  EXPECT_THAT(asked.resource_names_subscribe(), ElementsAre("both", "green"));
  EXPECT_THAT(asked.initial_resource_versions(), IsEmpty());
}

TEST_F(ClusterFeedTest, AfterARestartInStateOfTheWorldWhatWentMeanwhileIsGone) {
  start({.sotw = true});
  tell_clusters({eds("web"), eds("db")});
  const ClusterFeed::Held held = read_back(clusters(), {});
  client.reset();
  start({.sotw = true, .held = held});
  tell_clusters({eds("web")});
  EXPECT_TRUE(clusters().full_state);
  EXPECT_THAT(names_of(clusters().services), ElementsAre("web"));
  EXPECT_THAT(clusters().removed_services, ElementsAre(id("db")));
  EXPECT_THAT(endpoints().removed_endpoints, ElementsAre(id("db")));
}

// Else nobody would ever say that they are gone.
TEST_F(ClusterFeedTest, WhatStateOfTheWorldToldIsClaimedWhereTheNextServerSpeaksDelta) {
  start({.sotw = true});
  tell_clusters({eds("web"), eds("db")});
  const ClusterFeed::Held held = read_back(clusters(), {});
  client.reset();
  start({.held = held});
  const auto versions = delta_request(kClusterTypeUrl).initial_resource_versions();
  EXPECT_THAT((std::map<std::string, std::string>{versions.begin(), versions.end()}),
              ElementsAre(Pair("db", ""), Pair("web", "")));
  tell_clusters({eds("web")}, {"db"});
  EXPECT_THAT(clusters().removed_services, ElementsAre(id("db")));
}

TEST_F(ClusterFeedTest, WhatOnDiskIsNoneOfItsOwnIsPassedOver) {
  std::vector<Rejection> rejections;
  const std::string web = eds_cluster("web");
  const std::string endpoints = load_assignment("web", {});
  ResponseView view;
  view.resources = {{"other/web", "1", web, {}},
                    {"default/alias", "1", web, {}},
                    {"default/broken", "1", "\xff", {}}};
  const auto naming = ClusterNaming{.mesh = "default", .zones = {"mesh"}};
  EXPECT_THAT(ClusterFeed::read(view, naming, rejections).services, IsEmpty());
  EXPECT_THAT(rejections, SizeIs(3));
  view.resources = {{"no-slash", "1", endpoints, {}}, {"default/broken", "1", "\xff", {}}};
  EXPECT_THAT(ClusterEndpoints::read(view, rejections).endpoints, IsEmpty());
  EXPECT_THAT(rejections, SizeIs(5));
  // Held texts that are none.
  start({.held = {.clusters = {{"default/web", "x"}, {"web", "3:web1"}, {"other/db", "2:db1"}},
                  .endpoints = {{"default/web", ""}}}});
  EXPECT_THAT(delta_request(kClusterTypeUrl).initial_resource_versions(), IsEmpty());
  EXPECT_THAT(stream().requests, SizeIs(1));
}

// A few octets each on the wire, and all of the endpoints here.
TEST_F(ClusterFeedTest, AnAssignmentThatTooManyClustersShareIsRefused) {
  constexpr std::size_t kEndpoints = 20'000;
  constexpr std::size_t kMost = ClusterEndpoints::kMaxShared / kEndpoints + 1;
  std::vector<WireEndpoint> endpoints;
  for (std::size_t i = 0; i < kEndpoints; ++i) {
    endpoints.push_back({fmt::format("10.0.{}.{}", i / 256, i % 256)});
  }
  const Told big{"big", load_assignment("big", endpoints)};
  std::vector<Told> clusters;
  for (std::size_t i = 0; i < kMost; ++i) {
    clusters.push_back(eds(fmt::format("c{}", i), "big"));
  }
  start();
  tell_clusters(clusters);
  tell_endpoints({big});
  EXPECT_THAT(nack_of(kClusterLoadAssignmentTypeUrl), IsEmpty());
  EXPECT_THAT(told_of("endpoints").endpoints, SizeIs(kMost));

  // One more is asked for with all of them, and so refused; the others keep what they have.
  tell_clusters({eds("more", "big"), eds("web")});
  tell_endpoints({big, at("web", "192.0.2.1")});
  EXPECT_THAT(nack_of(kClusterLoadAssignmentTypeUrl),
              HasSubstr("52 clusters share its 20000 endpoints"));
  EXPECT_THAT(served(told_of("endpoints").endpoints), ElementsAre("web=192.0.2.1"));
  EXPECT_THAT(told_of("endpoints").removed_endpoints, IsEmpty());

  // Those that leave make room.
  tell_clusters({}, {"c0", "c1"});
  tell_endpoints({{big.name, big.value, "2"}});
  EXPECT_THAT(nack_of(kClusterLoadAssignmentTypeUrl), IsEmpty());
  EXPECT_THAT(told_of("endpoints").endpoints, SizeIs(kMost - 1));
}

}  // namespace
}  // namespace meshdns::discovery
