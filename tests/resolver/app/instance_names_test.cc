#include "resolver/app/instance_names.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/sip_hash.h"
#include "discovery/service.h"
#include "resolver/app/metrics.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/snapshot/snapshot_builder.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {
namespace {

using discovery::Endpoint;
using discovery::Health;
using discovery::Service;
using discovery::ServiceEndpoints;
using testing::ElementsAre;

Service web(const std::vector<std::string>& hostnames = {"web.mesh"}) {
  Service made;
  made.id = {"default", "web"};
  made.hostnames = hostnames;
  return made;
}

Endpoint endpoint(const std::string& instance, const std::string& address, std::uint16_t port = 80,
                  Health health = Health::kHealthy) {
  return {*IpAddress::parse(address), port, "east", health, instance};
}

// Sorted as a feed gives them.
ServiceEndpoints of_web(std::vector<Endpoint> endpoints) {
  std::ranges::sort(endpoints);
  return {{"default", "web"}, std::move(endpoints)};
}

class InstanceNamesTest : public testing::Test {
 protected:
  // "absent", or its addresses.
  [[nodiscard]] std::string seen(std::string_view text) {
    const auto snapshot = builder_->build();
    Name name = *Name::from_text(text);
    name.fold();
    const Snapshot::Host host = snapshot->find(name, snapshot->hash(name));
    if (host.state == Snapshot::NameState::kAbsent) {
      return "absent";
    }
    std::string addresses;
    for (std::size_t i = 0; i < host.ipv4.size(); i += 4) {
      addresses += (i == 0 ? "" : " ") + IpAddress(host.ipv4.subspan(i, 4)).to_string();
    }
    for (std::size_t i = 0; i < host.ipv6.size(); i += 16) {
      addresses += " " + IpAddress(host.ipv6.subspan(i, 16)).to_string();
    }
    return addresses;
  }

  std::unique_ptr<Logs> logs_ = Logs::create({"off", LogFormat::kText}).value();
  MetricRegistry registry_;
  AppMetrics metrics_{registry_};
  std::unique_ptr<SnapshotBuilder> builder_ =
      SnapshotBuilder::create({.owned_zones = {"mesh."}, .hash_key = HashKey{1, 2}}).value();
  std::vector<std::string> reports_;
  InstanceNames names_{
      *builder_, logs_->logger("table"), metrics_,
      [this](const std::string& owner, const UpsertReport& report) {
        for (const NameClash& clash : report.clashes) {
          reports_.push_back(owner + " lost " + clash.name + " to " + clash.holder);
        }
      }};
};

TEST_F(InstanceNamesTest, AnswerBelowEachHostnameOfTheirService) {
  const Service service = web({"web.mesh", "web.shop.mesh"});
  EXPECT_TRUE(names_.set_endpoints(
      of_web({endpoint("web-1", "192.0.2.1"), endpoint("web-2", "192.0.2.2")}), &service));
  EXPECT_EQ(seen("web-1.web.mesh"), "192.0.2.1");
  EXPECT_EQ(seen("web-2.web.mesh"), "192.0.2.2");
  EXPECT_EQ(seen("web-2.web.shop.mesh"), "192.0.2.2");
  EXPECT_EQ(seen("web-3.web.mesh"), "absent");
}

TEST_F(InstanceNamesTest, NeedBothTheServiceAndItsEndpoints) {
  EXPECT_FALSE(names_.set_service(web()));
  EXPECT_FALSE(names_.set_endpoints(of_web({endpoint("web-1", "192.0.2.1")}), nullptr));
  EXPECT_EQ(seen("web-1.web.mesh"), "absent");
  EXPECT_TRUE(names_.set_service(web()));
  EXPECT_EQ(seen("web-1.web.mesh"), "192.0.2.1");
  EXPECT_TRUE(names_.remove_service({"default", "web"}));
  EXPECT_FALSE(names_.remove_service({"default", "web"}));
  EXPECT_EQ(seen("web-1.web.mesh"), "absent");
  EXPECT_TRUE(names_.set_service(web())) << "the endpoints were not forgotten";
  EXPECT_EQ(seen("web-1.web.mesh"), "192.0.2.1");
  EXPECT_TRUE(names_.remove_endpoints({"default", "web"}));
  EXPECT_EQ(seen("web-1.web.mesh"), "absent");
  EXPECT_FALSE(names_.remove_endpoints({"default", "web"}));
}

TEST_F(InstanceNamesTest, FollowTheHostnamesOfTheirService) {
  const Service service = web();
  names_.set_endpoints(of_web({endpoint("web-1", "192.0.2.1")}), &service);
  EXPECT_FALSE(names_.set_service(web())) << "nothing changed";
  EXPECT_TRUE(names_.set_service(web({"shop.mesh"})));
  EXPECT_EQ(seen("web-1.shop.mesh"), "192.0.2.1");
  EXPECT_EQ(seen("web-1.web.mesh"), "absent");
}

TEST_F(InstanceNamesTest, HaveEveryAddressOfTheirEndpointsOnce) {
  const Service service = web();
  names_.set_endpoints(of_web({endpoint("web-1", "192.0.2.2"), endpoint("WEB-1", "192.0.2.1", 81),
                               endpoint("web-1", "192.0.2.1"), endpoint("web-1", "2001:db8::1")}),
                       &service);
  EXPECT_EQ(seen("web-1.web.mesh"), "192.0.2.1 192.0.2.2 2001:db8::1");
}

TEST_F(InstanceNamesTest, AnswerWhateverTheirHealth) {
  const Service service = web();
  names_.set_endpoints(of_web({endpoint("web-1", "192.0.2.1", 80, Health::kUnhealthy)}), &service);
  EXPECT_EQ(seen("web-1.web.mesh"), "192.0.2.1");
  EXPECT_FALSE(names_.set_endpoints(of_web({endpoint("web-1", "192.0.2.1", 80, Health::kHealthy)}),
                                    &service))
      << "health is no change";
}

TEST_F(InstanceNamesTest, SkipWhatIsNoDnsNameAndCountItOnce) {
  const Service service = web();
  const std::vector<Endpoint> endpoints{
      endpoint("", "192.0.2.1"),          endpoint("web:80", "192.0.2.2"),
      endpoint("a..b", "192.0.2.3"),      endpoint("a b", "192.0.2.4"),
      endpoint("w\xc3\xa9", "192.0.2.5"), endpoint("good", "192.0.2.6"),
      endpoint("web:80", "192.0.2.7")};
  EXPECT_TRUE(names_.set_endpoints(of_web(endpoints), &service));
  EXPECT_EQ(seen("good.web.mesh"), "192.0.2.6");
  EXPECT_EQ(metrics_.rejected_instances.value(), 4);
  names_.set_endpoints(of_web(endpoints), &service);
  EXPECT_EQ(metrics_.rejected_instances.value(), 4) << "they are known by now";
  // Good in itself, and too long for a name with what follows.
  std::string parts = std::string(60, 'x');
  parts += "." + parts + "." + parts + "." + parts;
  names_.set_endpoints(of_web({endpoint(parts + ".long", "192.0.2.8")}), &service);
  EXPECT_EQ(metrics_.rejected_instances.value(), 5);
}

TEST_F(InstanceNamesTest, AreLostToAServiceOfThatName) {
  Service other;
  other.id = {"default", "web-1.web"};
  other.hostnames = {"web-1.web.mesh"};
  builder_->upsert_service(other, {.addresses = {*IpAddress::parse("198.51.100.1")}});
  const Service service = web();
  names_.set_endpoints(of_web({endpoint("web-1", "192.0.2.1")}), &service);
  EXPECT_EQ(seen("web-1.web.mesh"), "198.51.100.1");
  EXPECT_THAT(reports_, ElementsAre("instance web-1 of default/web lost web-1.web.mesh. to "
                                    "default/web-1.web"));
}

TEST_F(InstanceNamesTest, TellAtMostAsManyAddressesAsFitAMessage) {
  std::vector<Endpoint> endpoints;
  for (std::size_t i = 0; i < InstanceNames::kMaxAddresses + 5; ++i) {
    const std::array<std::uint8_t, 4> octets{10, 0, static_cast<std::uint8_t>(i / 256),
                                             static_cast<std::uint8_t>(i % 256)};
    endpoints.push_back(endpoint("all", IpAddress(octets).to_string()));
  }
  const Service service = web();
  names_.set_endpoints(of_web(endpoints), &service);
  const Name name = *Name::from_text("all.web.mesh");
  const auto snapshot = builder_->build();
  EXPECT_EQ(snapshot->find(name, snapshot->hash(name)).ipv4.size(),
            4 * InstanceNames::kMaxAddresses);
}

TEST_F(InstanceNamesTest, OneMoreOrLessAmongAThousandTouchesAtMostFourPages) {
  const Service service = web();
  std::vector<Endpoint> endpoints;
  for (int i = 0; i < 1000; ++i) {
    endpoints.push_back(endpoint("web-" + std::to_string(i), "10.1." + std::to_string(i / 250) +
                                                                 "." + std::to_string(i % 250)));
  }
  names_.set_endpoints(of_web(endpoints), &service);
  auto snapshot = builder_->build();
  const auto touched = [&] {
    snapshot = builder_->build();
    return builder_->build_stats().pages.pages_touched();
  };
  endpoints.push_back(endpoint("one-more", "10.2.0.1"));
  EXPECT_TRUE(names_.set_endpoints(of_web(endpoints), &service));
  EXPECT_LE(touched(), 4);
  endpoints.back().address = *IpAddress::parse("10.2.0.2");
  EXPECT_TRUE(names_.set_endpoints(of_web(endpoints), &service));
  EXPECT_LE(touched(), 4);
  endpoints.erase(endpoints.begin() + 500);
  EXPECT_TRUE(names_.set_endpoints(of_web(endpoints), &service));
  EXPECT_LE(touched(), 4);
  EXPECT_FALSE(names_.set_endpoints(of_web(endpoints), &service));
  EXPECT_EQ(touched(), 0);
}

}  // namespace
}  // namespace meshdns::dns
