#include "discovery/control/service_addresses.h"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/result.h"
#include "discovery/service.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temporary_directory.h"
#include "tests/vip/tasks.h"

namespace meshdns::discovery {
namespace {

using support::FileStep;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const ServiceId kWeb{"default", "web"};
const ServiceId kDatabase{"default", "database"};

class ServiceAddressesTest : public testing::Test {
 protected:
  ServiceAddressesTest() {
    files.set_fault([this](FileStep step, std::uint64_t /*index*/) {
      return is_full && (step == FileStep::kWrite || step == FileStep::kOpen) ? ENOSPC : 0;
    });
  }

  Result<std::unique_ptr<ServiceAddresses>> open(
      const std::string& pool = "192.0.2.0/24",
      const std::optional<std::string>& pool_ipv6 = std::nullopt) {
    ServiceAddresses::Options options{.directory = folder.file("state"),
                                      .ipv4_pool = IpPrefix::parse(pool).value()};
    if (pool_ipv6) {
      options.ipv6_pool = IpPrefix::parse(*pool_ipv6).value();
    }
    const ServiceAddresses::Environment environment{
        .files = files,
        .clock = clock,
        .post = [this](auto task) { tasks.post(std::move(task)); },
        .logger = logs->logger("vip"),
        .registry = registry};
    return ServiceAddresses::open(options, environment, [this](const auto& services) {
      changed.insert(changed.end(), services.begin(), services.end());
    });
  }

  // Asks for the service's addresses and waits until they are on disk.
  std::vector<IpAddress> acquire_durably(ServiceAddresses& addresses, const ServiceId& id) {
    auto given = addresses.acquire(id);
    addresses.flush();
    while (given.empty() && tasks.run_one()) {
      given = addresses.acquire(id);
    }
    return given;
  }

  support::TemporaryDirectory folder;
  std::atomic<bool> is_full = false;
  support::FaultyFileSystem files;
  support::ManualClock clock;
  vip::Tasks tasks;
  std::vector<ServiceId> changed;
  std::unique_ptr<Logs> logs = Logs::create({"off", LogFormat::kText}).value();
  MetricRegistry registry;
};

TEST_F(ServiceAddressesTest, AnAddressIsToldOnceItIsOnDisk) {
  const auto addresses = open().value();
  EXPECT_THAT(addresses->acquire(kWeb), IsEmpty());
  EXPECT_EQ(addresses->waiting(), 1U);
  EXPECT_THAT(addresses->note(), HasSubstr("default/web"));
  addresses->flush();
  ASSERT_TRUE(tasks.run_one());
  EXPECT_THAT(changed, ElementsAre(kWeb));
  EXPECT_THAT(addresses->acquire(kWeb), SizeIs(1));
  EXPECT_EQ(addresses->waiting(), 0U);
  EXPECT_EQ(addresses->note(), "");
}

TEST_F(ServiceAddressesTest, AnAddressOutlivesTheProgramAndTheServicesAbsence) {
  auto addresses = open().value();
  const auto web = acquire_durably(*addresses, kWeb);
  const auto database = acquire_durably(*addresses, kDatabase);
  ASSERT_THAT(web, SizeIs(1));
  EXPECT_NE(web, database);
  addresses.reset();
  addresses = open().value();
  EXPECT_EQ(addresses->acquire(kWeb), web) << "at once";
  addresses->release_the_absent();
  EXPECT_EQ(acquire_durably(*addresses, kDatabase), database);
  addresses->release(kDatabase);
  EXPECT_EQ(acquire_durably(*addresses, kDatabase), database);
}

TEST_F(ServiceAddressesTest, ThereIsOneOfEachFamilyThatHasAPool) {
  const auto addresses = open("192.0.2.0/24", "2001:db8::/64").value();
  const auto given = acquire_durably(*addresses, kWeb);
  ASSERT_THAT(given, SizeIs(2));
  EXPECT_TRUE(given.front().is_v4());
  EXPECT_FALSE(given.back().is_v4());
  EXPECT_THAT(addresses->families(), ElementsAre(IpFamily::kV4, IpFamily::kV6));
}

TEST_F(ServiceAddressesTest, WhoGotNoneGetsOneOnceThereIsOne) {
  const auto addresses = open("192.0.2.0/30").value();  // two may be given
  ASSERT_THAT(acquire_durably(*addresses, kWeb), SizeIs(1));
  ASSERT_THAT(acquire_durably(*addresses, kDatabase), SizeIs(1));
  const ServiceId late{"default", "late"};
  EXPECT_THAT(addresses->acquire(late), IsEmpty());
  addresses->release(kWeb);
  addresses->flush();
  ASSERT_TRUE(tasks.run_one());
  addresses->retry();
  EXPECT_THAT(addresses->acquire(late), IsEmpty()) << "web's rests in quarantine";
  clock.advance(std::chrono::minutes(6));
  changed.clear();
  addresses->retry();
  while (changed.empty()) {
    ASSERT_TRUE(tasks.run_one());
  }
  EXPECT_THAT(changed, ElementsAre(late));
  EXPECT_THAT(addresses->acquire(late), SizeIs(1));
}

TEST_F(ServiceAddressesTest, AFullDiskDelaysNewAddressesAndLeavesTheOthers) {
  const auto addresses = open().value();
  const auto web = acquire_durably(*addresses, kWeb);
  is_full = true;
  EXPECT_THAT(addresses->acquire(kDatabase), IsEmpty());
  addresses->flush();
  ASSERT_TRUE(tasks.run_one());
  EXPECT_THAT(addresses->acquire(kDatabase), IsEmpty());
  EXPECT_EQ(addresses->acquire(kWeb), web);
  EXPECT_NE(addresses->note(), "");
  is_full = false;
  EXPECT_THAT(acquire_durably(*addresses, kDatabase), SizeIs(1));
}

TEST_F(ServiceAddressesTest, APageSaysWhoHasWhat) {
  const auto addresses = open("192.0.2.0/30").value();
  const auto web = acquire_durably(*addresses, kWeb);
  (void)addresses->acquire(kDatabase);
  addresses->flush();
  EXPECT_EQ(addresses->page(),
            fmt::format(R"({{"vips":[{{"key":"default/service///database","mesh":"default",)"
                        R"("service":"database","addresses":[],"status":"pending"}},)"
                        "\n"
                        R"({{"key":"default/service///web","mesh":"default","service":"web",)"
                        R"("addresses":["{}"],"status":"leased"}}]}})"
                        "\n",
                        web.at(0).to_string()));
  (void)addresses->acquire({"default", "third"});
  EXPECT_THAT(addresses->page(),
              HasSubstr(R"("service":"third","addresses":[],"status":"exhausted")"));
}

TEST_F(ServiceAddressesTest, AFolderHasOneOwner) {
  const auto addresses = open().value();
  const auto second = open();
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message, HasSubstr(folder.file("state")));
}

}  // namespace
}  // namespace meshdns::discovery
