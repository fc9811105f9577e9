#include "discovery/control/envoy_catalog.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "base/metrics.h"
#include "discovery/control/envoy_resources.h"
#include "discovery/control/mesh_change.h"
#include "discovery/control/service_addresses.h"
#include "discovery/service.h"
#include "discovery/xds/resource_set.h"
#include "tests/support/temporary_directory.h"
#include "tests/vip/tasks.h"

namespace meshdns::discovery {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class EnvoyCatalogTest : public testing::Test {
 protected:
  static Service service(const std::string& name, const std::vector<std::uint16_t>& ports) {
    Service made;
    made.id = {"default", name};
    for (const std::uint16_t port : ports) {
      made.ports.push_back({"", port, Protocol::kTcp});
    }
    return made;
  }

  // "+NAME" and "-NAME" of the listeners, sorted.
  std::vector<std::string> put(Service& of) {
    MeshChange change;
    catalog.put(of, change);
    return words_of(change);
  }
  // The same once its address is on disk.
  std::vector<std::string> put_durably(Service& of) {
    (void)put(of);
    catalog.flush();
    EXPECT_TRUE(tasks.run_one());
    return put(of);
  }
  static std::vector<std::string> words_of(const MeshChange& change) {
    std::vector<std::string> words;
    for (const ResourceUpdate& update : change.updates) {
      words.push_back("+" + update.name);
    }
    for (const ResourceRemoval& removal : change.removals) {
      words.push_back("-" + removal.name);
    }
    std::ranges::sort(words);
    return words;
  }

  support::TemporaryDirectory folder;
  PosixFileSystem files;
  SystemClock clock;
  vip::Tasks tasks;
  std::unique_ptr<Logs> logs = Logs::create({"off", LogFormat::kText}).value();
  MetricRegistry registry;
  std::unique_ptr<ServiceAddresses> addresses =
      ServiceAddresses::open({.directory = folder.file("state"),
                              .ipv4_pool = IpPrefix::parse("192.0.2.0/24").value(),
                              .ipv6_pool = IpPrefix::parse("2001:db8::/64").value()},
                             {.files = files,
                              .clock = clock,
                              .post = [this](auto task) { tasks.post(std::move(task)); },
                              .logger = logs->logger("vip"),
                              .registry = registry},
                             [](const auto& /*services*/) {})
          .value();
  EnvoyCatalog catalog{*addresses, ListenerBinding::kBound};
};

TEST_F(EnvoyCatalogTest, ThereIsNoListenerBeforeTheAddressMayBeTold) {
  Service web = service("web", {80});
  EXPECT_THAT(put(web), IsEmpty());
  EXPECT_TRUE(web.awaits_address);
  EXPECT_THAT(put_durably(web), ElementsAre("+default/web:80", "+default/web:80/ipv6"));
  EXPECT_FALSE(web.awaits_address);
  EXPECT_THAT(web.addresses, SizeIs(2));
}

TEST_F(EnvoyCatalogTest, APortThatGoesTakesItsListenersWithIt) {
  Service web = service("web", {80, 81});
  EXPECT_THAT(put_durably(web), SizeIs(4));
  web = service("web", {81});
  EXPECT_THAT(put(web), ElementsAre("+default/web:81", "+default/web:81/ipv6", "-default/web:80",
                                    "-default/web:80/ipv6"));
  MeshChange change;
  catalog.remove(web.id, change);
  EXPECT_THAT(words_of(change), ElementsAre("-default/web:81", "-default/web:81/ipv6"));
}

TEST_F(EnvoyCatalogTest, AServiceThatReturnsHasItsAddresses) {
  Service web = service("web", {80});
  (void)put_durably(web);
  const auto before = web.addresses;
  MeshChange change;
  catalog.remove(web.id, change);
  catalog.flush();
  ASSERT_TRUE(tasks.run_one());
  web = service("web", {80});
  (void)put_durably(web);
  EXPECT_EQ(web.addresses, before);
}

}  // namespace
}  // namespace meshdns::discovery
