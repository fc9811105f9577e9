// The services file: what is answered from it, and from the version before it when it is gone,
// wrong, half-written or not a file at all.
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <ios>
#include <iterator>
#include <limits>
#include <ostream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/resolver_fixture.h"
#include "tests/support/process.h"
#include "tests/support/programs.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {
namespace {

using testing::AllOf;
using testing::Ge;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Lt;
using testing::Not;
using testing::StartsWith;
using testing::UnorderedElementsAre;

std::string service(const std::string& name, const std::string& more = {}) {
  return "---\ntype: Service\nname: " + name + "\n" + more;
}

// The first block of YAML in a document.
std::string example_of(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  const std::string begin = "```yaml\n";
  const auto from = text.find(begin) + begin.size();
  return text.substr(from, text.find("```\n", from) - from);
}

class ServicesFile : public ResolverFixture {
 protected:
  ServicesFile() { std::filesystem::create_directory(folder_.file("etc")); }

  void replace(const std::string& content) const {
    std::filesystem::rename(folder_.write("etc/.new", content), path_);
  }
  void write(const std::string& content) const {
    (void)folder_.write("etc/services.yaml", content);
  }
  void start(std::vector<std::string> flags = {}) {
    flags.insert(flags.end(), {"--services-file", path_});
    resolver_.start(flags);
  }
  [[nodiscard]] bool wait_taken(int times) const {
    return wait_until(
        [&] { return metric("meshdns_services_file_reads_total{result=\"taken\"}") == times; });
  }
  // Waits for a version that was refused, the `times`th of this process.
  [[nodiscard]] bool wait_refused(int times) const {
    return wait_until(
        [&] { return metric("meshdns_services_file_reads_total{result=\"refused\"}") == times; });
  }

  TemporaryDirectory folder_;
  std::string path_ = folder_.file("etc/services.yaml");
};

TEST_F(ServicesFile, TheExampleOfTheDocumentIsAnsweredAsItSays) {
  replace(example_of(std::string(MESHDNS_EXAMPLES) + "/../docs/SERVICES_FILE.md"));
  start({"--instance-names", "true"});
  ASSERT_TRUE(resolver_.wait_ready()) << resolver_.log();
  EXPECT_THAT(resolver_.address_of("backend.mesh"), StartsWith("24"));
  EXPECT_EQ(resolver_.address_of("backend-2.backend.mesh"), "192.0.2.12");
  EXPECT_THAT(data_of("_web._tcp.backend.mesh", "SRV"), testing::SizeIs(1));
  EXPECT_THAT(data_of("ledger.mesh"), UnorderedElementsAre("192.0.2.21"));
  EXPECT_THAT(data_of("BOOKS.mesh"), UnorderedElementsAre("192.0.2.21"));
  EXPECT_EQ(rcode_of("ledger.mesh", "AAAA"), "NOERROR");
  EXPECT_THAT(data_of("legacy.mesh"), UnorderedElementsAre("198.51.100.7"));
  EXPECT_THAT(data_of("printer.mesh", "AAAA"), UnorderedElementsAre("2001:db8::9"));
  EXPECT_EQ(rcode_of("nope.mesh"), "NXDOMAIN");
  EXPECT_THAT(resolver_.get("/table").body, HasSubstr(R"("status":"endpoints")"));
  EXPECT_EQ(metric("meshdns_table_services"), 3);
  EXPECT_EQ(metric("meshdns_table_records"), 1);
  EXPECT_THAT(metric("meshdns_table_age_seconds"),
              AllOf(Ge(0), Lt(std::numeric_limits<double>::infinity())));
  const CommandResult check =
      run_command({program_path("meshdns"), "check", "--services-file", path_});
  EXPECT_EQ(check.exit_code, 0) << check.error;
  EXPECT_THAT(check.output, HasSubstr(path_));
}

TEST_F(ServicesFile, ADamagedVersionNeverTakesANameAway) {
  const std::string good = service("web") + service("db", "addresses: [192.0.2.1]\n");
  replace(good);
  start();
  ASSERT_TRUE(resolver_.wait_ready()) << resolver_.log();
  const std::string web = resolver_.address_of("web.mesh");
  ASSERT_NE(web, "");
  std::string bomb = "---\ntype: Service\nname: x\ntags: &a0 {a: b}\n";
  for (int i = 1; i < 40; ++i) {
    bomb += fmt::format("x{}: &a{} [*a{}, *a{}, *a{}]\n", i, i, i - 1, i - 1, i - 1);
  }
  const std::vector<std::string> damaged{
      "",
      "\n",
      good.substr(0, good.size() - 5),
      service("web") + service("web"),
      good + std::string(1, '\0') + "\n",
      good + service("x", "ports: {\n"),
      good + service("x", "port: 1\n"),
      bomb,
      std::string(200'000, '[') + "\n",
      "\xff\xfe\x00t\x00y",
      "{\"services\": []}\n",
  };
  int refused = 0;
  for (const std::string& version : damaged) {
    replace(version);
    ASSERT_TRUE(wait_refused(++refused)) << version.substr(0, 200) << resolver_.log();
    EXPECT_EQ(resolver_.address_of("web.mesh"), web) << version.substr(0, 200);
    EXPECT_EQ(resolver_.address_of("db.mesh"), "192.0.2.1");
    EXPECT_GT(metric("meshdns_services_file_problems"), 0);
  }
  EXPECT_THAT(resolver_.log(), HasSubstr(path_ + ":4: the service web is there twice"));
  EXPECT_THAT(resolver_.get("/readyz").body, HasSubstr("services file: not taken: " + path_));
  EXPECT_EQ(resolver_.get("/readyz").status, 200);

  // Over a restart, and a kill, too.
  for (const bool by_kill : {false, true}) {
    if (by_kill) {
      resolver_.kill();
    } else {
      ASSERT_EQ(resolver_.terminate(), 0);
    }
    start();
    EXPECT_EQ(resolver_.wait_for_address("web.mesh"), web);
    EXPECT_EQ(resolver_.wait_for_address("db.mesh"), "192.0.2.1");
    ASSERT_TRUE(wait_refused(1)) << resolver_.log();
    EXPECT_EQ(rcode_of("nope.mesh"), "NXDOMAIN");
    EXPECT_EQ(resolver_.get("/readyz").status, 200);
  }
  replace(good + service("new"));
  EXPECT_NE(resolver_.wait_for_address("new.mesh"), "");
  EXPECT_EQ(resolver_.address_of("web.mesh"), web);
  EXPECT_EQ(metric("meshdns_services_file_problems"), 0);
}

TEST_F(ServicesFile, WhateverStandsInItsPlaceTheNamesStay) {
  replace(service("web", "addresses: [192.0.2.1]\n"));
  start();
  ASSERT_TRUE(resolver_.wait_ready()) << resolver_.log();
  const auto expect_refused = [&](const std::string& reason) {
    EXPECT_TRUE(wait_until([&] {
      const std::string ready = resolver_.get("/readyz").body;
      return ready.find("services file: not taken") != std::string::npos &&
             ready.find(reason) != std::string::npos;
    })) << reason
        << resolver_.log();
    EXPECT_EQ(resolver_.address_of("web.mesh"), "192.0.2.1") << reason;
    std::filesystem::remove(path_);
  };
  std::filesystem::remove(path_);
  std::filesystem::create_directory(path_);
  expect_refused("is not a regular file");
  expect_refused("No such file");
  std::filesystem::create_symlink("services.yaml", path_);  // a loop
  expect_refused("No such file");
  ASSERT_EQ(run_command({"mkfifo", path_}).exit_code, 0);
  expect_refused("is not a regular file");
  const std::string long_file = folder_.write("etc/.long", "x");
  std::filesystem::resize_file(long_file, 100U << 20U);
  std::filesystem::rename(long_file, path_);
  expect_refused("longer than");
  replace(service("web", "addresses: [192.0.2.2]\n"));
  EXPECT_TRUE(wait_until([&] { return resolver_.address_of("web.mesh") == "192.0.2.2"; }))
      << resolver_.log();
}

TEST_F(ServicesFile, AWriterThatTakesItsTimeLosesNothing) {
  const std::string begin = service("web", "addresses: [192.0.2.1]\n");
  const std::string end = service("db", "addresses: [192.0.2.2]\n");
  replace(begin + end);
  start();
  ASSERT_TRUE(resolver_.wait_ready()) << resolver_.log();
  std::ofstream stream(path_, std::ios::trunc);
  stream << begin << std::flush;
  // Longer than a file must be at rest that nobody is known to have open.
  EXPECT_FALSE(wait_until([&] { return resolver_.address_of("db.mesh") != "192.0.2.2"; },
                          std::chrono::milliseconds(1500)))
      << resolver_.log();
  stream << end << service("new") << std::flush;
  stream.close();
  EXPECT_NE(resolver_.wait_for_address("new.mesh"), "");
  EXPECT_EQ(resolver_.address_of("db.mesh"), "192.0.2.2");
}

// A file that is written anew, piece by piece, with a close after each. A piece that ends with a
// line may be a version of its own: on a slow machine it would rightly be taken for one.
TEST_F(ServicesFile, NoTornVersionDropsAName) {
  const std::string whole =
      service("web", "addresses: [192.0.2.1]\n") + service("db", "addresses: [192.0.2.2]\n");
  replace(whole);
  start();
  ASSERT_TRUE(resolver_.wait_ready()) << resolver_.log();
  for (int round = 0; round < 5; ++round) {
    for (std::size_t size = 0; size < whole.size(); size += 3) {
      if (size > 0 && whole[size - 1] == '\n') {
        continue;
      }
      write(whole.substr(0, size));
      ASSERT_EQ(resolver_.address_of("db.mesh"), "192.0.2.2") << size;
    }
    write(whole);
  }
  write(whole + service("last"));
  EXPECT_NE(resolver_.wait_for_address("last.mesh"), "");
}

TEST_F(ServicesFile, AddressesAreTheSameAfterARestartWithoutTheFile) {
  std::string text;
  for (int i = 0; i < 100; ++i) {
    text += service(fmt::format("svc-{}", i));
  }
  replace(text);
  start();
  ASSERT_TRUE(resolver_.wait_ready()) << resolver_.log();
  const std::string first = resolver_.address_of("svc-7.mesh");
  ASSERT_NE(first, "");
  ASSERT_EQ(resolver_.terminate(), 0);
  std::filesystem::remove(path_);
  start();
  EXPECT_EQ(resolver_.wait_for_address("svc-7.mesh"), first);
  EXPECT_EQ(rcode_of("nope.mesh"), "NXDOMAIN");
  // Most of it goes at once: held down.
  replace(service("svc-7"));
  ASSERT_TRUE(wait_taken(1)) << resolver_.log();
  EXPECT_EQ(resolver_.address_of("svc-7.mesh"), first);
  EXPECT_NE(resolver_.address_of("svc-8.mesh"), "");
  EXPECT_EQ(metric("meshdns_table_services_held_down"), 99);
}

TEST_F(ServicesFile, EndpointsAreAnsweredWhereTheSettingSaysSo) {
  const std::string endpoints =
      "endpoints:\n- {address: 192.0.2.1, port: 1}\n- {address: 192.0.2.2, port: 1}\n"
      "- {address: 192.0.2.3, port: 1, health: unhealthy}\n";
  replace(service("web", endpoints) + service("vip", "answers: vip\n" + endpoints) +
          service("none"));
  start({"--answers", "endpoints"});
  ASSERT_TRUE(resolver_.wait_ready()) << resolver_.log();
  EXPECT_THAT(data_of("web.mesh"), UnorderedElementsAre("192.0.2.1", "192.0.2.2"));
  EXPECT_THAT(resolver_.address_of("vip.mesh"), StartsWith("24"));
  EXPECT_EQ(rcode_of("none.mesh"), "NOERROR");
  EXPECT_THAT(data_of("none.mesh"), IsEmpty());
  EXPECT_THAT(resolver_.get("/vips").body, Not(HasSubstr("\"web.mesh\"],\"ipv4\":\"24")));
  // One becomes ill, then all; and the table on disk answers endpoints, too.
  replace(service("web",
                  "endpoints:\n- {address: 192.0.2.1, port: 1, health: unhealthy}\n"
                  "- {address: 192.0.2.2, port: 1, health: unhealthy}\n"));
  ASSERT_TRUE(wait_taken(2));
  EXPECT_TRUE(wait_until([&] { return data_of("web.mesh").size() == 2; }));
  replace(service("web",
                  "endpoints:\n- {address: 192.0.2.1, port: 1, health: unhealthy}\n"
                  "- {address: 192.0.2.2, port: 1}\n"));
  ASSERT_TRUE(wait_until([&] {
    return data_of("web.mesh") == std::vector<std::string>{"192.0.2.2"};
  })) << resolver_.log();
  resolver_.kill();
  std::filesystem::remove(path_);
  start({"--answers", "endpoints"});
  EXPECT_EQ(resolver_.wait_for_address("web.mesh"), "192.0.2.2");
}

TEST_F(ServicesFile, WithoutAFileItWaitsForOne) {
  start();
  EXPECT_EQ(rcode_of("web.mesh"), "SERVFAIL");
  EXPECT_EQ(resolver_.get("/readyz").status, 503);
  EXPECT_THAT(resolver_.get("/readyz").body, HasSubstr("services file"));
  write(service("web"));
  EXPECT_NE(resolver_.wait_for_address("web.mesh"), "");
  EXPECT_TRUE(resolver_.wait_ready());
}

TEST_F(ServicesFile, FollowsAMountedConfigMap) {
  const auto add = [&](const std::string& version, const std::string& address) {
    std::filesystem::create_directory(folder_.file("etc/" + version));
    (void)folder_.write("etc/" + version + "/services.yaml",
                        service("web", "addresses: [" + address + "]\n"));
  };
  add("..1", "192.0.2.1");
  std::filesystem::create_symlink("..1", folder_.file("etc/..data"));
  std::filesystem::create_symlink("..data/services.yaml", path_);
  start();
  EXPECT_EQ(resolver_.wait_for_address("web.mesh"), "192.0.2.1");
  for (int i = 2; i < 6; ++i) {
    add(fmt::format("..{}", i), fmt::format("192.0.2.{}", i));
    std::filesystem::create_symlink(fmt::format("..{}", i), folder_.file("etc/..data_tmp"));
    std::filesystem::rename(folder_.file("etc/..data_tmp"), folder_.file("etc/..data"));
    std::filesystem::remove_all(folder_.file(fmt::format("etc/..{}", i - 1)));
    ASSERT_TRUE(wait_until([&] {
      return resolver_.address_of("web.mesh") == fmt::format("192.0.2.{}", i);
    })) << resolver_.log();
  }
}

TEST_F(ServicesFile, CheckNamesEveryMistake) {
  write(service("web", "port: 1\n") + service("db", "addresses: [db.example.org]\n"));
  const CommandResult check =
      run_command({program_path("meshdns"), "check", "--services-file", path_});
  EXPECT_EQ(check.exit_code, 1);
  EXPECT_THAT(check.error, HasSubstr(path_ + ":4: 'port' is no key of a Service"));
  EXPECT_THAT(check.error, HasSubstr(path_ + ":8: addresses: 'db.example.org' is a name"));
  EXPECT_EQ(
      run_command({program_path("meshdns"), "check", "--services-file", folder_.file("none.yaml")})
          .exit_code,
      3);
  const CommandResult both = run_command({program_path("meshdns"), "check", "--services-file",
                                          path_, "--control-plane", "127.0.0.1:5678"});
  EXPECT_EQ(both.exit_code, 1);
  EXPECT_THAT(both.error, HasSubstr("services come from control_plane.address already"));
}

}  // namespace
}  // namespace meshdns::support
