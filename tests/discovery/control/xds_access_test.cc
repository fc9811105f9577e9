#include "discovery/control/xds_access.h"

#include <filesystem>
#include <memory>
#include <sstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>

#include "base/file_system.h"
#include "base/log.h"
#include "base/metrics.h"
#include "discovery/control/metrics.h"
#include "discovery/xds/ads_server.h"
#include "discovery/xds/server_certificates.h"
#include "tests/support/certificate_authority.h"
#include "tests/support/manual_wall_clock.h"
#include "tests/support/temporary_directory.h"

namespace meshdns::discovery {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

class XdsAccessTest : public testing::Test {
 protected:
  // Why it is no good; empty: it is.
  std::string refusal(const std::string& listen, const XdsAccess::Options& options = {}) {
    const auto opened = XdsAccess::open(listen, options, files, wall, logger, metrics);
    return opened ? "" : opened.error().message;
  }

  std::ostringstream lines;
  Logger logger{"control", std::make_shared<spdlog::sinks::ostream_sink_mt>(lines)};
  PosixFileSystem files;
  support::ManualWallClock wall;
  MetricRegistry registry;
  ControlMetrics metrics{registry};
};

TEST_F(XdsAccessTest, PlaintextIsForThisHostAlone) {
  for (const char* const listen :
       {"127.0.0.1:5678", "127.8.0.1:0", "[::1]:5678", "unix:/run/meshdns-cp.sock"}) {
    EXPECT_EQ(refusal(listen), "") << listen;
  }
  for (const char* const listen :
       {"0.0.0.0:5678", "[::]:5678", "192.0.2.1:5678", "[2001:db8::1]:0", "[::ffff:192.0.2.1]:1"}) {
    EXPECT_THAT(refusal(listen),
                AllOf(HasSubstr("is reached by other hosts"), HasSubstr("--tls-cert-file"),
                      HasSubstr("--allow-plaintext")))
        << listen;
  }
  EXPECT_THAT(lines.str(), IsEmpty());
}

TEST_F(XdsAccessTest, PlaintextThatIsAskedForByNameIsServedWithAWarning) {
  EXPECT_EQ(refusal("192.0.2.1:5678", {.tls = {}, .allow_plaintext = true, .auth = {}}), "");
  EXPECT_THAT(lines.str(), HasSubstr("in plaintext on 192.0.2.1:5678"));
}

TEST_F(XdsAccessTest, ATokenIsAskedForOverTlsUnlessItIsSaidOtherwise) {
  const support::CertificateAuthority authority("authority");
  authority.certify("cp.example");
  const ServerTlsFiles tls{.certificate = authority.certificate_of("cp.example"),
                           .key = authority.key_of("cp.example"),
                           .client_ca = {}};
  const auto asks = [&](const XdsAccess::Options& options) {
    const auto opened =
        XdsAccess::open("127.0.0.1:1", options, files, wall, logger, metrics).value();
    AdsServer::Options ads;
    opened->configure(ads);
    return ads.authenticator != nullptr;
  };
  EXPECT_FALSE(asks({}));
  EXPECT_TRUE(asks({.tls = tls}));
  EXPECT_FALSE(asks({.tls = tls, .auth = ClientAuth::kNone}));
  EXPECT_TRUE(asks({.tls = {}, .auth = ClientAuth::kToken}));
  EXPECT_THAT(lines.str(), HasSubstr("no client can connect"));
}

TEST_F(XdsAccessTest, WhatIsWrongWithTokensIsSaidOnceAndShownWhileItLasts) {
  const support::TemporaryDirectory folder;
  std::filesystem::create_directory(folder.file("keys"));
  folder.write("keys/1.pub", "nonsense");
  const auto access = XdsAccess::open(
      "127.0.0.1:1", {.tls = {}, .auth = ClientAuth::kToken, .tokens = folder.path()}, files, wall,
      logger, metrics);
  ASSERT_TRUE(access) << access.error().message;
  const std::string said = lines.str();
  EXPECT_THAT(said, HasSubstr("1.pub"));
  (*access)->refresh();
  EXPECT_EQ(lines.str(), said);
  EXPECT_EQ((*access)->problems().size(), 1);
  EXPECT_EQ(metrics.access_problems.value(), 1);
  ASSERT_TRUE(files.remove(folder.file("keys/1.pub")));
  (*access)->refresh();
  EXPECT_THAT((*access)->problems(), IsEmpty());
  EXPECT_EQ(metrics.access_problems.value(), 0);
}

TEST_F(XdsAccessTest, HalfOfWhatTlsNeedsIsAnError) {
  const std::string file = "/nowhere/a.pem";
  EXPECT_THAT(refusal("127.0.0.1:1", {.tls = {.certificate = file, .key = {}, .client_ca = {}}}),
              HasSubstr("--tls-key-file"));
  EXPECT_THAT(refusal("127.0.0.1:1", {.tls = {.certificate = {}, .key = file, .client_ca = {}}}),
              HasSubstr("--tls-cert-file"));
  EXPECT_THAT(refusal("127.0.0.1:1", {.tls = {.certificate = {}, .key = {}, .client_ca = file}}),
              HasSubstr("--tls-client-ca-file"));
  EXPECT_THAT(refusal("127.0.0.1:1", {.tls = {.certificate = file, .key = file, .client_ca = {}}}),
              HasSubstr("cannot open /nowhere/a.pem"));
}

}  // namespace
}  // namespace meshdns::discovery
