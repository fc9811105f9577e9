// The table on disk: what a resolver answers that starts while the control plane is down, and on
// its way to what the control plane says when it is back.
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <ios>
#include <iterator>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/resolver_fixture.h"
#include "tests/support/counted.h"
#include "tests/support/dns_client.h"
#include "tests/support/http_get.h"
#include "tests/support/programs.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::Ge;
using testing::HasSubstr;
using testing::Lt;
using testing::Not;

// RFC 8914 section 4.
constexpr int kStaleAnswer = 3;
constexpr int kStaleNxDomainAnswer = 19;
constexpr int kNoReachableAuthority = 22;

std::string read_file(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

void write_file(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

class LastKnownGood : public ResolverFixture {
 protected:
  // `services` are known and told, and on disk; nothing runs any more.
  void tell(const std::vector<std::string>& services) {
    for (const std::string& service : services) {
      control_plane_.put({.name = service + "-1", .service = service});
    }
    control_plane_.start();
    resolver_.start_ready(control_plane_);
    for (const std::string& service : services) {
      told_[service] = resolver_.wait_for_address(service + ".mesh");
      ASSERT_NE(told_[service], "") << service;
    }
    ASSERT_EQ(resolver_.terminate(), 0) << resolver_.log();
    control_plane_.kill();
  }
  // Without waiting for anything but sockets.
  void start(std::vector<std::string> flags = {}) {
    flags.insert(flags.end(), {"--control-plane", control_plane_.address()});
    resolver_.start(flags);
  }
  void expect_told(const std::string& service) const {
    EXPECT_EQ(resolver_.address_of(service + ".mesh"), told_.at(service)) << service;
  }
  [[nodiscard]] int error_of(const std::string& name) const {
    const auto reply = ask(resolver_.dns(), {.name = name});
    return reply ? reply->extended_error_code() : -2;
  }
  [[nodiscard]] bool is_confirmed() const { return metric("meshdns_table_from_disk") == 0; }
  [[nodiscard]] std::string file(const std::string& name) const {
    return resolver_.state_folder() + "/" + name;
  }
  // Flips a bit in the middle.
  void damage(const std::string& name) const {
    std::string content = read_file(file(name));
    ASSERT_GT(content.size(), 2U);
    content[content.size() / 2] = static_cast<char>(content[content.size() / 2] ^ 1);
    write_file(file(name), content);
  }

  ControlPlaneProgram control_plane_;
  std::map<std::string, std::string> told_;
};

TEST_F(LastKnownGood, IsAnsweredWhileTheControlPlaneIsDown) {
  tell({"web", "cache"});
  start();
  expect_told("web");
  expect_told("cache");
  EXPECT_EQ(rcode_of("nope.mesh"), "NXDOMAIN");
  EXPECT_EQ(error_of("web.mesh"), -1) << "confirmed a moment ago";
  const HttpReply ready = resolver_.get("/readyz");
  EXPECT_EQ(ready.status, 200);
  EXPECT_THAT(ready.body, HasSubstr("serving the last table, confirmed "));
  EXPECT_EQ(metric("meshdns_table_from_disk"), 1);
  ASSERT_TRUE(wait_until([&] { return metric("meshdns_table_services") == 2; }));
  expect_told("web");
  EXPECT_THAT(resolver_.get("/vips").body, HasSubstr(told_["web"]));
}

TEST_F(LastKnownGood, TheFirstAnswerAfterAKillIsTheLastBeforeIt) {
  tell({"web"});
  control_plane_.start();
  resolver_.start_ready(control_plane_);
  control_plane_.put({.name = "late-1", .service = "late"});
  told_["late"] = resolver_.wait_for_address("late.mesh");
  ASSERT_NE(told_["late"], "");
  resolver_.kill();
  control_plane_.kill();

  start();
  expect_told("web");
  // The image is older than this service: it may not be known yet, and is not denied.
  EXPECT_NE(rcode_of("late.mesh"), "NXDOMAIN");
  EXPECT_EQ(resolver_.wait_for_address("late.mesh"), told_["late"]);
  EXPECT_EQ(rcode_of("nope.mesh"), "NXDOMAIN") << "all that was known is known again";
}

// As of one that was killed with records of its feed not written yet.
TEST_F(LastKnownGood, DeniesNothingWhenTheLogsMayLackWhatWasAnswered) {
  tell({"web"});
  ASSERT_TRUE(resolver_.is_settled());
  write_file(file("table.settled"), "");
  for (int start_number = 0; start_number < 2; ++start_number) {
    start();
    expect_told("web");
    EXPECT_EQ(rcode_of("nope.mesh"), "SERVFAIL");
    ASSERT_TRUE(wait_until([&] { return metric("meshdns_table_services") == 1; }));
    expect_told("web");
    EXPECT_EQ(rcode_of("nope.mesh"), "SERVFAIL");
    EXPECT_EQ(error_of("nope.mesh"), kNotReady);
    ASSERT_EQ(resolver_.terminate(), 0) << resolver_.log();
  }
  start();
  control_plane_.start();
  EXPECT_TRUE(wait_until([&] { return rcode_of("nope.mesh") == "NXDOMAIN"; })) << resolver_.log();
  expect_told("web");
  EXPECT_TRUE(wait_until([&] { return resolver_.is_settled(); }));
}

TEST_F(LastKnownGood, MovesOnWhenTheControlPlaneIsBack) {
  tell({"web", "old"});
  start();
  control_plane_.remove_file("old-1.yaml");
  control_plane_.put({.name = "new-1", .service = "new"});
  control_plane_.start();
  ASSERT_TRUE(wait_until([&] {
    expect_told("web");
    const std::string old = resolver_.address_of("old.mesh");
    EXPECT_TRUE(old.empty() || old == told_["old"]);
    return !resolver_.address_of("new.mesh").empty();
  })) << resolver_.log();
  EXPECT_EQ(rcode_of("old.mesh"), "NXDOMAIN");
  EXPECT_NE(resolver_.address_of("new.mesh"), told_["old"]) << "its quarantine has just begun";
  expect_told("web");
  EXPECT_TRUE(is_confirmed());
  EXPECT_TRUE(wait_until([&] { return metric("meshdns_table_age_seconds") == 0; }));
  EXPECT_EQ(resolver_.get("/readyz").body.find("table"), std::string::npos);
}

TEST_F(LastKnownGood, AnUnchangedTableIsNotSentAgain) {
  std::vector<std::string> services;
  for (int i = 0; i < 50; ++i) {
    services.push_back("svc-" + std::to_string(i));
  }
  tell(services);
  start();
  control_plane_.start();
  ASSERT_TRUE(wait_until([&] { return is_confirmed(); })) << resolver_.log();
  expect_told("svc-49");
  EXPECT_THAT(metric("meshdns_xds_response_bytes_total"), AllOf(Ge(0), Lt(1000)));
}

TEST_F(LastKnownGood, RemovalOfMostOfItIsHeldDown) {
  std::vector<std::string> services;
  for (int i = 0; i < 20; ++i) {
    services.push_back("svc-" + std::to_string(i));
  }
  tell(services);
  for (int i = 2; i < 20; ++i) {
    control_plane_.remove_file("svc-" + std::to_string(i) + "-1.yaml");
  }
  start();
  control_plane_.start();
  ASSERT_TRUE(wait_until([&] { return is_confirmed(); })) << resolver_.log();
  EXPECT_EQ(metric("meshdns_table_services_held_down"), 18);
  for (const std::string& service : services) {
    expect_told(service);
  }
  // Nor does a restart get around that.
  ASSERT_EQ(resolver_.terminate(), 0);
  start();
  expect_told("svc-19");
  ASSERT_TRUE(wait_until([&] { return is_confirmed(); })) << resolver_.log();
  EXPECT_EQ(metric("meshdns_table_services_held_down"), 18);
  expect_told("svc-19");
}

TEST_F(LastKnownGood, OldAnswersAreMarkedAndThenRefused) {
  tell({"web"});
  start({"--table-stale-after", "1s"});
  ASSERT_TRUE(wait_until([&] { return error_of("web.mesh") == kStaleAnswer; }));
  expect_told("web");
  EXPECT_EQ(error_of("nope.mesh"), kStaleNxDomainAnswer);
  EXPECT_EQ(rcode_of("nope.mesh"), "NXDOMAIN");
  EXPECT_EQ(resolver_.get("/readyz").status, 200);
  resolver_.kill();

  start({"--table-expire-after", "1s"});
  ASSERT_TRUE(wait_until([&] { return rcode_of("web.mesh") == "SERVFAIL"; }));
  EXPECT_EQ(error_of("web.mesh"), kNoReachableAuthority);
  control_plane_.start();
  EXPECT_EQ(resolver_.wait_for_address("web.mesh"), told_["web"]);
  EXPECT_EQ(error_of("web.mesh"), -1);
  EXPECT_EQ(rcode_of("nope.mesh"), "NXDOMAIN");
}

TEST_F(LastKnownGood, OfUnknownAgeIsStaleAndServes) {
  tell({"web"});
  std::filesystem::remove(file("table.age"));
  start({"--table-expire-after", "1s"});
  expect_told("web");
  EXPECT_EQ(error_of("web.mesh"), kStaleAnswer);
  EXPECT_EQ(metric("meshdns_table_age_seconds"), std::numeric_limits<double>::infinity());
  EXPECT_THAT(resolver_.get("/readyz").body, HasSubstr("nobody knows how old"));
}

TEST_F(LastKnownGood, ADamagedImageIsReplacedByTheLogs) {
  tell({"web"});
  damage("table.image");
  start();
  EXPECT_EQ(resolver_.wait_for_address("web.mesh"), told_["web"]) << resolver_.log();
  EXPECT_EQ(rcode_of("nope.mesh"), "NXDOMAIN");
  EXPECT_THAT(resolver_.log(), HasSubstr("the table on disk is not used"));
}

TEST_F(LastKnownGood, ALogThatLostItsEndDeniesNothing) {
  tell({"web", "cache"});
  std::filesystem::resize_file(file("mesh.feed"),
                               std::filesystem::file_size(file("mesh.feed")) - 1);
  start();
  expect_told("web");
  expect_told("cache");
  EXPECT_EQ(rcode_of("nope.mesh"), "SERVFAIL") << "more was known once";
  EXPECT_EQ(error_of("nope.mesh"), kNotReady);
  control_plane_.start();
  ASSERT_TRUE(wait_until([&] { return rcode_of("nope.mesh") == "NXDOMAIN"; })) << resolver_.log();
  expect_told("web");
  expect_told("cache");
}

TEST_F(LastKnownGood, ADamagedLogDoesNotReplaceTheImage) {
  tell({"web", "cache"});
  damage("mesh.feed");
  start();
  ASSERT_TRUE(wait_until([&] {
    return resolver_.log().find("the log of a feed has lost its end") != std::string::npos;
  }));
  expect_told("web");
  expect_told("cache");
  control_plane_.start();
  ASSERT_TRUE(wait_until([&] {
    expect_told("web");
    return is_confirmed();
  })) << resolver_.log();
  expect_told("cache");
}

TEST_F(LastKnownGood, WithoutFilesItIsAsBefore) {
  tell({"web"});
  for (const char* name : {"table.image", "mesh.feed", "table.age"}) {
    std::filesystem::remove(file(name));
  }
  start();
  EXPECT_EQ(rcode_of("web.mesh"), "SERVFAIL");
  EXPECT_EQ(error_of("web.mesh"), kNotReady);
  EXPECT_EQ(resolver_.get("/readyz").status, 503);
  control_plane_.start();
  EXPECT_EQ(resolver_.wait_for_address("web.mesh"), told_["web"]);
}

TEST_F(LastKnownGood, FilesOfOthersAreLeftAlone) {
  tell({"web"});
  for (const char* name : {"table.image", "mesh.feed"}) {
    write_file(file(name), "somebody's diary");
  }
  control_plane_.start();
  resolver_.start_ready(control_plane_);
  EXPECT_EQ(resolver_.wait_for_address("web.mesh"), told_["web"]);
  EXPECT_THAT(resolver_.get("/readyz").body, HasSubstr("is left alone"));
  EXPECT_EQ(resolver_.terminate(), 0);
  for (const char* name : {"table.image", "mesh.feed"}) {
    EXPECT_EQ(read_file(file(name)), "somebody's diary");
  }
}

TEST_F(LastKnownGood, OfAnotherMeshIsNotAnswered) {
  tell({"web"});
  start({"--mesh", "other"});
  EXPECT_EQ(rcode_of("web.mesh"), "SERVFAIL");
  EXPECT_EQ(error_of("web.mesh"), kNotReady);
}

TEST_F(LastKnownGood, InstanceNamesAreAnsweredToo) {
  control_plane_.put({.name = "web-1", .service = "web", .address = "192.0.2.1"});
  control_plane_.start();
  resolver_.start_ready(control_plane_, {"--instance-names", "true"});
  ASSERT_EQ(resolver_.wait_for_address("web-1.web.mesh"), "192.0.2.1");
  ASSERT_EQ(resolver_.terminate(), 0);
  control_plane_.kill();
  start({"--instance-names", "true"});
  EXPECT_EQ(resolver_.address_of("web-1.web.mesh"), "192.0.2.1");
  ASSERT_TRUE(wait_until([&] { return metric("meshdns_table_services") == 1; }));
  EXPECT_EQ(resolver_.address_of("web-1.web.mesh"), "192.0.2.1");
  EXPECT_EQ(rcode_of("web-2.web.mesh"), "NXDOMAIN");
}

// Killed while services come, over and over, and started without a control plane: what was told is
// told again, but for a kill before it was written, and nothing that was told is denied.
TEST(Kills, LastKnownGoodKeepsWhatWasTold) {
  ControlPlaneProgram control_plane;
  control_plane.start();
  ResolverProgram resolver;
  std::map<std::string, std::string> told;
  const std::uint64_t kills = counted(4, 200);
  for (std::uint64_t kill = 0; kill < kills && !testing::Test::HasFailure(); ++kill) {
    SCOPED_TRACE(kill);
    resolver.start_ready(control_plane);
    std::string documents;
    for (int i = 0; i < 5; ++i) {
      const std::string name = "svc-" + std::to_string(kill) + "-" + std::to_string(i);
      documents += to_yaml({.name = name, .service = name}) + "---\n";
      told[name + ".mesh"];
    }
    control_plane.put_file("svc-" + std::to_string(kill) + ".yaml", documents);
    for (int i = 0; i <= static_cast<int>(kill % 5); ++i) {
      const std::string name = "svc-" + std::to_string(kill) + "-" + std::to_string(i) + ".mesh";
      told[name] = resolver.wait_for_address(name);
      ASSERT_NE(told[name], "") << name;
    }
    resolver.kill();

    control_plane.process().signal(SIGSTOP);
    resolver.start({"--control-plane", control_plane.address()});
    for (const auto& [name, address] : told) {
      if (address.empty()) {
        continue;  // nobody heard of it
      }
      EXPECT_EQ(resolver.wait_for_undenied(name), address) << name << "\n" << resolver.log();
    }
    resolver.kill();
    control_plane.process().signal(SIGCONT);
  }
}

}  // namespace
}  // namespace meshdns::support
