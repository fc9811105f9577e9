#include "discovery/control/run_flags.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <string>

#include <CLI/CLI.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log.h"
#include "discovery/control/control_plane.h"
#include "discovery/control/envoy_resources.h"
#include "discovery/control/xds_access.h"

namespace meshdns::discovery {
namespace {

class RunFlags : public testing::Test {
 protected:
  RunFlags() { add_run_flags(verb_, options_, log_); }
  void parse(const std::string& line) { verb_.parse("run --dataplanes folder " + line, true); }

  CLI::App verb_;
  ControlPlane::Options options_;
  LogOptions log_;
};

TEST_F(RunFlags, BecomeOptions) {
  parse(
      "--listeners redirected --redirect-port 16000 --deregistration-delay 3 --auth token "
      "--name-tables --api off --log-json --tls-cert-file cert.pem");
  EXPECT_EQ(options_.dataplanes, "folder");
  EXPECT_EQ(options_.listeners, ListenerBinding::kRedirected);
  EXPECT_EQ(options_.redirect_port, 16000);
  EXPECT_EQ(options_.deregistration_delay, std::chrono::seconds(3));
  EXPECT_EQ(options_.access.auth, ClientAuth::kToken);
  EXPECT_EQ(options_.access.tls.certificate, "cert.pem");
  EXPECT_TRUE(options_.name_tables);
  EXPECT_EQ(options_.api.listen, "off");
  EXPECT_EQ(log_.format, LogFormat::kJson);
}

TEST_F(RunFlags, LeaveEverythingElseAsItIs) {
  const ControlPlane::Options untouched;
  parse("");
  EXPECT_EQ(options_.listen, untouched.listen);
  EXPECT_EQ(options_.admin, untouched.admin);
  EXPECT_EQ(options_.listeners, untouched.listeners);
  EXPECT_EQ(options_.vip_pool, untouched.vip_pool);
  EXPECT_EQ(options_.deregistration_delay, untouched.deregistration_delay);
  EXPECT_EQ(options_.access.auth, untouched.access.auth);
}

TEST_F(RunFlags, RefuseWhatIsNoValue) {
  for (const char* const line :
       {"--listeners all", "--auth basic", "--redirect-port 0", "--redirect-port 65536",
        "--deregistration-delay -1", "--deregistration-delay 86401", "--unknown"}) {
    EXPECT_THROW(parse(line), CLI::ParseError) << line;
  }
}

TEST_F(RunFlags, RefuseAZoneWhoseEndpointsNoResolverWouldTake) {
  parse("--zone " + std::string(253, 'z'));
  EXPECT_EQ(options_.zone.size(), 253U);
  EXPECT_THROW(parse("--zone " + std::string(254, 'z')), CLI::ParseError);
  EXPECT_THROW(parse("--zone east\xff"), CLI::ParseError);
}

TEST_F(RunFlags, MayComeFromTheEnvironmentUnderTheirOwnName) {
  for (const CLI::Option* const option : verb_.get_options()) {
    if (option->get_lnames().front() == "help") {
      continue;
    }
    std::string wanted = "MESHDNS_CP_" + option->get_lnames().front();
    std::ranges::transform(wanted, wanted.begin(), [](unsigned char letter) {
      return letter == '-' ? '_' : static_cast<char>(std::toupper(letter));
    });
    EXPECT_EQ(option->get_envname(), wanted);
  }
}

}  // namespace
}  // namespace meshdns::discovery
