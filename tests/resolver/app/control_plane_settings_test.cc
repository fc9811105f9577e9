#include "resolver/app/control_plane_settings.h"

#include <map>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file_system.h"
#include "resolver/app/config.h"
#include "resolver/app/config_loader.h"
#include "tests/support/certificate_authority.h"
#include "tests/support/temporary_directory.h"

namespace meshdns::dns {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

LoadedConfig parse(const std::string& settings) {
  return parse_config("control_plane: {" + settings + "}\n", "meshdns.yaml");
}

TEST(ControlPlaneSettings, ATokenOfAResolverIsSentAsItIsAndReadAnew) {
  const support::TemporaryDirectory folder;
  PosixFileSystem files;
  Config::ControlPlane control_plane;
  control_plane.token_file = folder.write("token", "a.b.c\n");
  EXPECT_EQ(read_control_plane_credentials(files, control_plane)->token, "a.b.c");
  folder.write("token", "d.e.f");
  EXPECT_EQ(read_control_plane_credentials(files, control_plane)->token, "d.e.f");
  EXPECT_FALSE(read_control_plane_credentials(files, control_plane)->tls);
}

TEST(ControlPlaneSettings, MutualTlsHasAllThatGrpcNeeds) {
  const support::CertificateAuthority authority("authority");
  authority.certify("web-1");
  PosixFileSystem files;
  Config::ControlPlane control_plane;
  control_plane.tls = true;
  control_plane.server_name = "cp.example.org";
  control_plane.ca_cert_file = authority.file(".pem");
  control_plane.cert_file = authority.certificate_of("web-1");
  control_plane.key_file = authority.key_of("web-1");
  EXPECT_THAT(find_bad_files(files, control_plane), IsEmpty());
  const auto credentials = read_control_plane_credentials(files, control_plane);
  ASSERT_TRUE(credentials);
  EXPECT_TRUE(credentials->tls);
  EXPECT_EQ(credentials->server_name, "cp.example.org");
  EXPECT_THAT(credentials->ca_certificates, HasSubstr("BEGIN CERTIFICATE"));
  EXPECT_THAT(credentials->certificate, HasSubstr("BEGIN CERTIFICATE"));
  EXPECT_THAT(credentials->key, HasSubstr("PRIVATE KEY"));
}

TEST(ControlPlaneSettings, AFileThatIsNoGoodIsReportedUnderItsKey) {
  const support::CertificateAuthority authority("authority");
  authority.certify("web-1");
  authority.certify("web-2");
  const support::TemporaryDirectory folder;
  PosixFileSystem files;
  Config::ControlPlane control_plane;
  control_plane.tls = true;
  control_plane.ca_cert_file = folder.file("missing");
  control_plane.cert_file = authority.certificate_of("web-1");
  control_plane.key_file = authority.key_of("web-2");
  control_plane.token_file = folder.write("token", "two words of a secret");
  const auto problem = [](const std::string& key, const std::string& reason) {
    return AllOf(
        Field(&ControlPlaneProblem::key, key),
        Field(&ControlPlaneProblem::reason, AllOf(HasSubstr(reason), Not(HasSubstr("secret")))));
  };
  EXPECT_THAT(find_bad_files(files, control_plane),
              ElementsAre(problem("control_plane.ca_cert_file", "cannot open"),
                          problem("control_plane.cert_file", "does not go with"),
                          problem("control_plane.token_file", "meshdns-cp token")));
}

TEST(ControlPlaneSettings, WhatDoesNotGoTogetherIsSaid) {
  const std::map<std::string, std::string> cases{
      {"ca_cert_file: c", "control_plane.ca_cert_file: is for TLS alone"},
      {"server_name: s", "control_plane.server_name: is for TLS alone"},
      {"cert_file: c, key_file: k", "control_plane.cert_file: is for TLS alone"},
      {"tls: true, cert_file: c", "control_plane.cert_file: a certificate and its key go together"},
      {"tls: true, key_file: k", "control_plane.key_file: a certificate and its key go together"},
  };
  for (const auto& [settings, want] : cases) {
    EXPECT_THAT(parse(settings).errors, Contains(HasSubstr(want))) << settings;
  }
  EXPECT_THAT(parse("tls: true, ca_cert_file: c, server_name: s, cert_file: c, key_file: k").errors,
              IsEmpty());
}

TEST(ControlPlaneSettings, ATokenLeavesThisHostOverTlsAloneUnlessAskedForByName) {
  for (const char* const address : {"'127.0.0.1:1'", "'[::1]:1'", "'unix:/run/cp.sock'"}) {
    EXPECT_THAT(parse(std::string("token_file: t, address: ") + address).errors, IsEmpty())
        << address;
  }
  for (const char* const address : {"'192.0.2.1:1'", "'cp.example.org:1'", "'localhost:1'"}) {
    const std::string settings = std::string("token_file: t, address: ") + address;
    EXPECT_THAT(parse(settings).errors, ElementsAre(HasSubstr("in plaintext"))) << address;
    EXPECT_THAT(parse(settings + ", tls: true").errors, IsEmpty());
    EXPECT_THAT(parse(settings + ", allow_plaintext_token: true").errors, IsEmpty());
  }
}

TEST(ControlPlaneSettings, AreNobodysWhereAnotherControlPlaneIsAsked) {
  EXPECT_THAT(
      parse_config("control_plane: {ca_cert_file: c}\nxds: {servers: ['a:1']}\n", "f").errors,
      IsEmpty());
}

}  // namespace
}  // namespace meshdns::dns
