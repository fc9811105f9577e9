// The real control plane over TLS, with the real resolver: the right certificate and every wrong
// one, on either side, and certificates that change while streams are open.
#include <filesystem>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/network.h"
#include "tests/e2e/resolver_fixture.h"
#include "tests/support/certificate_authority.h"
#include "tests/support/network_namespace.h"
#include "tests/support/process.h"
#include "tests/support/programs.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {
namespace {

using testing::HasSubstr;
using testing::Not;

using Flags = std::vector<std::string>;

constexpr const char* kServerName = "cp.example.org";

Flags operator+(Flags flags, const Flags& more) {
  flags.insert(flags.end(), more.begin(), more.end());
  return flags;
}

class ControlPlaneTls : public ResolverFixture {
 protected:
  ControlPlaneTls() {
    authority_.certify(kServerName);
    install(kServerName);
    control_plane_.put({.name = "web-1", .service = "web"});
  }

  // The control plane's certificate and key from now on.
  void install(const std::string& name) const {
    install_file(authority_.certificate_of(name), "cert.pem");
    install_file(authority_.key_of(name), "key.pem");
  }
  // As renewal tools do: beside it, then renamed over it.
  void install_file(const std::string& from, const std::string& name) const {
    std::filesystem::copy_file(from, folder_.file(name + ".new"));
    std::filesystem::rename(folder_.file(name + ".new"), folder_.file(name));
  }
  [[nodiscard]] Flags server_flags() const {
    return {"--tls-cert-file", folder_.file("cert.pem"),
            "--tls-key-file",  folder_.file("key.pem"),
            "--auth",          "none"};
  }
  struct Client {
    std::string server_name = kServerName;
    std::string authorities{};  // empty: ours
    std::string address{};      // empty: the control plane's
  };
  [[nodiscard]] Flags client_flags() const { return client_flags(Client()); }
  [[nodiscard]] Flags client_flags(const Client& client) const {
    return {"--control-plane",
            client.address.empty() ? control_plane_.address() : client.address,
            "--control-plane-tls",
            "true",
            "--control-plane-ca-cert-file",
            client.authorities.empty() ? authority_.file(".pem") : client.authorities,
            "--control-plane-server-name",
            client.server_name};
  }
  [[nodiscard]] Flags client_identity(const CertificateAuthority& authority) const {
    authority.certify("web-1");
    return {"--control-plane-cert-file", authority.certificate_of("web-1"),
            "--control-plane-key-file", authority.key_of("web-1")};
  }
  // It is told why it gets nothing, says so, and denies nothing meanwhile.
  void expect_not_connected(const std::string& why) const {
    EXPECT_TRUE(wait_until([&] { return resolver_.log().find(why) != std::string::npos; }))
        << resolver_.log();
    EXPECT_EQ(resolver_.get("/readyz").status, 503);
    EXPECT_EQ(rcode_of("web.mesh"), "SERVFAIL");
    EXPECT_EQ(metric("meshdns_xds_connected"), 0);
  }
  // The certificate that a new connection is shown.
  [[nodiscard]] std::string served_certificate() const {
    return run_command({"sh", "-c",
                        "openssl s_client -alpn h2 -connect " + control_plane_.address() +
                            " </dev/null 2>/dev/null | openssl x509"})
        .output;
  }
  [[nodiscard]] std::string certificate_of(const std::string& name) const {
    return run_command({"openssl", "x509", "-in", authority_.certificate_of(name)}).output;
  }

  CertificateAuthority authority_{"authority"};
  TemporaryDirectory folder_;
  ControlPlaneProgram control_plane_;
};

TEST_F(ControlPlaneTls, AResolverThatTrustsItAnswers) {
  control_plane_.start(server_flags());
  resolver_.start(client_flags());
  EXPECT_FALSE(resolver_.wait_for_address("web.mesh").empty()) << resolver_.log();
}

TEST_F(ControlPlaneTls, TheAddressItselfCanBeTheName) {
  authority_.certify("127.0.0.1");
  install("127.0.0.1");
  control_plane_.start(server_flags());
  resolver_.start(client_flags({.server_name = ""}));
  EXPECT_FALSE(resolver_.wait_for_address("web.mesh").empty()) << resolver_.log();
}

TEST_F(ControlPlaneTls, ARenewedCertificateIsServedAndEndsNoStream) {
  control_plane_.start(server_flags());
  resolver_.start(client_flags());
  ASSERT_FALSE(resolver_.wait_for_address("web.mesh").empty()) << resolver_.log();
  ASSERT_EQ(served_certificate(), certificate_of(kServerName));
  const std::string before = served_certificate();
  authority_.certify(kServerName);
  ASSERT_NE(certificate_of(kServerName), before);
  install(kServerName);
  EXPECT_TRUE(wait_until([&] { return served_certificate() == certificate_of(kServerName); }))
      << control_plane_.log();
  control_plane_.put({.name = "shop-1", .service = "shop"});
  EXPECT_FALSE(resolver_.wait_for_address("shop.mesh").empty());
  EXPECT_EQ(metric("meshdns_xds_connection_attempts_total"), 1) << "still the first stream";
  EXPECT_THAT(control_plane_.get("/metrics").body,
              HasSubstr("meshdns_control_tls_reloads_total 1\n"));
}

TEST_F(ControlPlaneTls, APairThatDoesNotGoTogetherLeavesTheOneBefore) {
  control_plane_.start(server_flags());
  const std::string before = served_certificate();
  authority_.certify(kServerName);
  install_file(authority_.certificate_of(kServerName), "cert.pem");
  ASSERT_TRUE(wait_until([&] {
    return control_plane_.get("/readyz").body.find("does not go with") != std::string::npos;
  }));
  EXPECT_THAT(control_plane_.get("/readyz").body, HasSubstr(folder_.file("key.pem")));
  EXPECT_THAT(control_plane_.get("/metrics").body,
              HasSubstr("meshdns_control_access_problems 1\n"));
  EXPECT_THAT(control_plane_.log(), HasSubstr("the certificate before is served on"));
  EXPECT_EQ(served_certificate(), before);
  resolver_.start(client_flags());
  EXPECT_FALSE(resolver_.wait_for_address("web.mesh").empty()) << resolver_.log();
  install_file(authority_.key_of(kServerName), "key.pem");
  EXPECT_TRUE(wait_until([&] { return served_certificate() == certificate_of(kServerName); }));
  EXPECT_THAT(control_plane_.get("/readyz").body, Not(HasSubstr("note:")));
}

TEST_F(ControlPlaneTls, AnAuthorityThatNobodyTrustsIsRefused) {
  const CertificateAuthority other("other");
  control_plane_.start(server_flags());
  resolver_.start(client_flags({.authorities = other.file(".pem")}));
  expect_not_connected("control plane lost");
}

TEST_F(ControlPlaneTls, ANameThatTheCertificateIsNotForIsRefused) {
  control_plane_.start(server_flags());
  resolver_.start(client_flags({.server_name = "other.example.org"}));
  expect_not_connected("Peer name other.example.org is not in peer certificate");
}

TEST_F(ControlPlaneTls, PlaintextIsNotServedBesideIt) {
  control_plane_.start(server_flags());
  resolver_.start({"--control-plane", control_plane_.address()});
  expect_not_connected("control plane lost");
}

TEST_F(ControlPlaneTls, MutualTlsServesWhoeverShowsACertificateOfItsAuthority) {
  const Flags mutual = server_flags() + Flags{"--tls-client-ca-file", authority_.file(".pem")};
  control_plane_.start(mutual);
  resolver_.start(client_flags() + client_identity(authority_));
  EXPECT_FALSE(resolver_.wait_for_address("web.mesh").empty()) << resolver_.log();
}

TEST_F(ControlPlaneTls, MutualTlsRefusesWhoShowsNone) {
  control_plane_.start(server_flags() + Flags{"--tls-client-ca-file", authority_.file(".pem")});
  resolver_.start(client_flags());
  expect_not_connected("control plane lost");
}

TEST_F(ControlPlaneTls, MutualTlsRefusesACertificateOfAnother) {
  const CertificateAuthority other("other");
  control_plane_.start(server_flags() + Flags{"--tls-client-ca-file", authority_.file(".pem")});
  resolver_.start(client_flags() + client_identity(other));
  expect_not_connected("control plane lost");
}

TEST_F(ControlPlaneTls, OtherHostsAreServedOverTlsAndInPlaintextOnlyWhenItIsAskedForByName) {
  MESHDNS_NEEDS_PRIVATE_NETWORK();
  ip("address add 192.0.2.1/32 dev lo");
  const Flags command{program_path("meshdns-cp"),
                      "run",
                      "--dataplanes",
                      control_plane_.dataplanes().path(),
                      "--admin",
                      "127.0.0.1:0",
                      "--state-dir",
                      folder_.file("state")};
  const Flags address{"--listen", fmt::format("192.0.2.1:{}", control_plane_.port())};
  const CommandResult refused = run_command(command + address);
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.error, HasSubstr("--allow-plaintext"));
  {
    const Process plain({.argv = command + address + Flags{"--allow-plaintext"}});
    resolver_.start({"--control-plane", address.back()});
    EXPECT_FALSE(resolver_.wait_for_address("web.mesh").empty()) << resolver_.log();
    resolver_.kill();
  }
  const Process secure({.argv = command + address + server_flags()});
  ResolverProgram other;
  other.start(client_flags({.address = address.back()}));
  EXPECT_FALSE(other.wait_for_address("web.mesh").empty()) << other.log();
  ip("address del 192.0.2.1/32 dev lo");
}

TEST_F(ControlPlaneTls, FilesThatAreNoGoodAreErrorsAtStart) {
  const Flags command{program_path("meshdns-cp"), "run", "--dataplanes",
                      control_plane_.dataplanes().path()};
  install_file(authority_.file(".key"), "key.pem");
  const CommandResult result = run_command(command + server_flags());
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.error, HasSubstr(folder_.file("key.pem") + " does not go with"));
}

}  // namespace
}  // namespace meshdns::support
