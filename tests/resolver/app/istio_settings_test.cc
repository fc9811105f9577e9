#include "resolver/app/istio_settings.h"

#include <map>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file_system.h"
#include "resolver/app/config.h"
#include "resolver/app/config_loader.h"
#include "tests/support/certificate_authority.h"
#include "tests/support/temporary_directory.h"

namespace meshdns::dns {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

Config::Istio at(const std::vector<std::string>& addresses) {
  Config::Istio istio;
  istio.addresses = addresses;
  return istio;
}

LoadedConfig parse(const std::string& text) { return parse_config(text, "meshdns.yaml"); }

TEST(IstioSettings, AnAddressSaysHowToSpeak) {
  EXPECT_EQ(istio_host_and_port("https://istiod:15012"), "istiod:15012");
  EXPECT_EQ(istio_host_and_port("http://[::1]:15010"), "[::1]:15010");
  EXPECT_EQ(istio_uses_tls(at({"https://a:1", "https://b:1"})).value(), true);
  EXPECT_EQ(istio_uses_tls(at({"http://a:1"})).value(), false);
  EXPECT_FALSE(istio_uses_tls(at({"http://a:1", "https://b:1"})));
}

TEST(IstioSettings, TheLastOfTwoMetadataOfAKeyCounts) {
  Config::Istio istio;
  istio.metadata = {"CLUSTER_ID=a", "NETWORK=", "CLUSTER_ID=b=c"};
  EXPECT_THAT(istio_metadata(istio),
              UnorderedElementsAre(Pair("CLUSTER_ID", "b=c"), Pair("NETWORK", "")));
}

TEST(IstioSettings, ATokenIsSentAsABearer) {
  const support::TemporaryDirectory folder;
  PosixFileSystem files;
  Config::Istio istio;
  istio.token_file = folder.write("istio-token", "a.b.c\n");
  const support::CertificateAuthority authority("istio-ca");
  istio.ca_cert_file = authority.file(".pem");
  const auto credentials = read_istio_credentials(files, istio);
  ASSERT_TRUE(credentials);
  EXPECT_TRUE(credentials->tls);
  EXPECT_EQ(credentials->token, "Bearer a.b.c");
  EXPECT_THAT(credentials->ca_certificates, HasSubstr("BEGIN CERTIFICATE"));

  folder.write("istio-token", "d.e.f");
  EXPECT_EQ(read_istio_credentials(files, istio)->token, "Bearer d.e.f") << "renewed";
}

TEST(IstioSettings, NothingIsSentWithoutAToken) {
  PosixFileSystem files;
  const auto credentials = read_istio_credentials(files, {});
  ASSERT_TRUE(credentials);
  EXPECT_TRUE(credentials->tls);
  EXPECT_THAT(credentials->token, IsEmpty());
}

TEST(IstioSettings, AFileThatIsNoneSaysHowToComeByOne) {
  const support::TemporaryDirectory folder;
  PosixFileSystem files;
  struct Case {
    std::string token;
    std::string certificate;
    std::string want;
  };
  const std::vector<Case> cases{
      {folder.file("missing"), "", "kubectl create token"},
      {folder.write("two", "two words"), "", "holds no token"},
      {folder.write("empty", "\n"), "", "holds no token"},
      {"", folder.file("missing"), "istio-ca-root-cert"},
      {"", folder.write("text", "x"), "holds no certificate"},
  };
  for (const Case& row : cases) {
    Config::Istio istio;
    istio.token_file = row.token;
    istio.ca_cert_file = row.certificate;
    const auto credentials = read_istio_credentials(files, istio);
    ASSERT_FALSE(credentials) << row.want;
    EXPECT_THAT(credentials.error().message, HasSubstr(row.want));
  }
}

TEST(IstioSettings, WhatDoesNotGoTogetherIsSaid) {
  const std::string istio = "istio: {addresses: ['https://a:1']}\n";
  const std::map<std::string, std::string> cases{
      {istio + "control_plane: {address: 'b:1'}\n", "there is a control plane already"},
      {istio + "kuma: {cp_addresses: ['https://b:1']}\n", "there is a control plane already"},
      {istio + "kuma: {dynamicconfig_socket: /s}\n", "there is a control plane already"},
      {istio + "xds: {servers: ['b:1']}\n", "there is a control plane already"},
      {istio + "services: {file: /f}\n", "services come from istio.addresses already"},
      {istio + "instance_names: true\n", "Istio tells of no endpoints"},
      {istio + "answers: endpoints\n", "Istio tells of no endpoints"},
      {"istio: {addresses: ['https://a:1', 'http://b:1']}\n", "some are https:// and some http://"},
      {"istio: {addresses: ['http://a:1'], token_file: t}\n", "a token is for https:// alone"},
  };
  for (const auto& [text, want] : cases) {
    EXPECT_THAT(parse(text).errors, Contains(HasSubstr(want))) << text;
  }
  const LoadedConfig good = parse(istio + "control_plane: {node: vm-1}\n");
  EXPECT_THAT(good.errors, IsEmpty());
  EXPECT_TRUE(good.config.uses_istio());
  EXPECT_EQ(good.config.istio.workload, "vm-1");
}

TEST(IstioSettings, AHostWhoseNameIsNoWorkloadsIsToldSo) {
  EXPECT_THAT(parse("istio: {addresses: ['https://a:1']}\ncontrol_plane: {node: 'a..b'}\n").errors,
              Contains(HasSubstr("'a..b' is no DNS name")));
}

}  // namespace
}  // namespace meshdns::dns
