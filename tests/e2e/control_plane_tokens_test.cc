// The real control plane that asks for tokens, the command that issues and revokes them, and the
// real resolver that shows one.
#include <chrono>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/resolver_fixture.h"
#include "tests/support/certificate_authority.h"
#include "tests/support/process.h"
#include "tests/support/programs.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {
namespace {

using testing::HasSubstr;
using testing::Not;

using Flags = std::vector<std::string>;

Flags operator+(Flags flags, const Flags& more) {
  flags.insert(flags.end(), more.begin(), more.end());
  return flags;
}

// "jti=ID ..." as `meshdns-cp token` says it.
std::string id_in(const std::string& said) {
  const auto start = said.find("jti=") + 4;
  return said.substr(start, said.find(' ', start) - start);
}

class ControlPlaneTokens : public ResolverFixture {
 protected:
  ControlPlaneTokens() { control_plane_.put({.name = "web-1", .service = "web"}); }

  void start_control_plane(const Flags& flags = {}) {
    control_plane_.start(Flags{"--auth", "token", "--state-dir", state()} + flags);
  }
  [[nodiscard]] std::string state() const { return folder_.file("cp-state"); }
  // `meshdns-cp token ARGUMENTS`.
  [[nodiscard]] CommandResult token_command(const Flags& arguments) const {
    const CommandResult result = run_command(Flags{program_path("meshdns-cp"), "token"} +
                                             arguments + Flags{"--state-dir", state()});
    EXPECT_EQ(result.exit_code, 0) << result.error;
    return result;
  }
  // Puts a token where the resolver looks for one; its id.
  // NOLINTNEXTLINE(modernize-use-nodiscard): the file is what most tests want.
  std::string issue(const Flags& arguments) const {
    const CommandResult issued = token_command(arguments);
    folder_.write("token", issued.output);
    return id_in(issued.error);
  }
  // NOLINTNEXTLINE(modernize-use-nodiscard): as above.
  std::string issue_good() const { return issue({"--mesh", "default", "--name", "client-1"}); }
  [[nodiscard]] Flags client_flags(const Flags& more = {}) const {
    return Flags{"--control-plane", control_plane_.address(),     "--node",
                 "client-1",        "--control-plane-token-file", folder_.file("token")} +
           more;
  }
  // It is told why, says so, denies nothing meanwhile; and no log has the token.
  void expect_refused(const std::string& why) const {
    EXPECT_TRUE(wait_until([&] { return resolver_.log().find(why) != std::string::npos; }))
        << resolver_.log();
    EXPECT_EQ(rcode_of("web.mesh"), "SERVFAIL");
    EXPECT_EQ(metric("meshdns_xds_connected"), 0);
    expect_no_token_in_logs();
  }
  void expect_no_token_in_logs() const {
    const std::string token = folder_.read("token");
    const std::string signature = token.substr(token.rfind('.') + 1, 40);
    EXPECT_THAT(control_plane_.log(), Not(HasSubstr(signature)));
    EXPECT_THAT(resolver_.log(), Not(HasSubstr(signature)));
  }
  [[nodiscard]] bool counts(const std::string& reason) const {
    const std::string none = "meshdns_control_refused_clients_total{reason=\"" + reason + "\"} 0\n";
    return control_plane_.get("/metrics").body.find(none) == std::string::npos;
  }

  TemporaryDirectory folder_;
  ControlPlaneProgram control_plane_;
};

TEST_F(ControlPlaneTokens, WhoShowsItsTokenIsServedAndShownWithItsName) {
  const std::string id = issue_good();
  start_control_plane();
  resolver_.start(client_flags());
  EXPECT_FALSE(resolver_.wait_for_address("web.mesh").empty()) << resolver_.log();
  const std::string streams = control_plane_.get("/streams").body;
  EXPECT_THAT(streams, HasSubstr(R"("identity":{"mesh":"default","name":"client-1")"));
  EXPECT_THAT(streams, HasSubstr(R"("token":")" + id + "\""));
  EXPECT_THAT(streams, HasSubstr(R"("expires":")"));
  expect_no_token_in_logs();
}

TEST_F(ControlPlaneTokens, AFirstTokenIsTakenByAControlPlaneThatRunsAlready) {
  start_control_plane();
  EXPECT_THAT(control_plane_.log(), HasSubstr("no client can connect"));
  issue_good();
  resolver_.start(client_flags());
  EXPECT_FALSE(resolver_.wait_for_address("web.mesh").empty()) << resolver_.log();
}

TEST_F(ControlPlaneTokens, WhoShowsNoneIsRefused) {
  start_control_plane();
  folder_.write("token", "a.b.nothing-like-it");
  resolver_.start({"--control-plane", control_plane_.address()});
  expect_refused("a token is needed");
  EXPECT_TRUE(counts("missing"));
}

TEST_F(ControlPlaneTokens, EachWrongTokenIsRefusedWithItsReason) {
  start_control_plane();
  const std::string good = token_command({"--mesh", "default", "--name", "client-1"}).output;
  const std::string cut = good.substr(0, good.rfind('.') + 1);
  struct Case {
    std::string token;
    std::string want;
    std::string reason;
  };
  const std::vector<Case> cases{
      {token_command({"--mesh", "other", "--name", "client-1"}).output,
       "is for the mesh 'other', not for 'default'", "mesh"},
      {token_command({"--mesh", "default", "--name", "client-2"}).output,
       "is for the name 'client-2', not for 'client-1'", "name"},
      {token_command({"--mesh", "default", "--zone", "east"}).output, "not for the zone 'west'",
       "zone"},
      {cut + "AAAA", "signature is wrong", "invalid"},
      {"garbage", "no JSON Web Token", "invalid"},
      {"eyJhbGciOiJub25lIn0." + good.substr(good.find('.') + 1), "not signed with RS256",
       "invalid"},
  };
  for (const Case& row : cases) {
    folder_.write("token", row.token);
    ResolverProgram client;
    client.start(client_flags({"--zone", "west"}));
    EXPECT_TRUE(wait_until([&] { return client.log().find(row.want) != std::string::npos; }))
        << client.log();
    EXPECT_TRUE(counts(row.reason)) << row.reason;
  }
}

TEST_F(ControlPlaneTokens, ARevokedOneEndsItsStreamAndARenewedOneBeginsAnother) {
  const std::string id = issue_good();
  start_control_plane();
  resolver_.start(client_flags());
  ASSERT_FALSE(resolver_.wait_for_address("web.mesh").empty()) << resolver_.log();
  ResolverProgram other;
  folder_.write("other", token_command({"--mesh", "default"}).output);
  other.start({"--control-plane", control_plane_.address(), "--node", "client-2",
               "--control-plane-token-file", folder_.file("other")});
  ASSERT_FALSE(other.wait_for_address("web.mesh").empty()) << other.log();

  (void)token_command({"revoke", id});
  EXPECT_TRUE(
      wait_until([&] { return metric("meshdns_xds_connected") == 0; }, std::chrono::seconds(10)))
      << control_plane_.log();
  EXPECT_TRUE(wait_until([&] {
    return resolver_.log().find("the token has been revoked (code 16)") != std::string::npos;
  })) << resolver_.log();
  EXPECT_EQ(rcode_of("web.mesh"), "NOERROR") << "the last table answers";
  EXPECT_TRUE(counts("revoked"));
  // The client knows first that its stream has ended.
  EXPECT_TRUE(wait_until([&] {
    return control_plane_.get("/streams").body.find(R"("open":1,)") != std::string::npos;
  })) << "the other stays";

  issue_good();
  EXPECT_TRUE(wait_until([&] { return metric("meshdns_xds_connected") == 1; })) << resolver_.log();
}

TEST_F(ControlPlaneTokens, OneThatEndsEndsItsStream) {
  // Many times what two programs take to start: it has to be good for a stream first.
  issue({"--mesh", "default", "--name", "client-1", "--valid-for", "10s"});
  start_control_plane();
  resolver_.start(client_flags());
  ASSERT_FALSE(resolver_.wait_for_address("web.mesh").empty()) << resolver_.log();
  EXPECT_TRUE(wait_until([&] {
    return resolver_.log().find("the token has expired (code 16)") != std::string::npos;
  })) << resolver_.log();
  EXPECT_TRUE(counts("expired"));
  EXPECT_EQ(rcode_of("web.mesh"), "NOERROR") << "the last table answers";
}

TEST_F(ControlPlaneTokens, AKeyThatIsRetiredTakesItsTokensWithIt) {
  issue_good();
  start_control_plane();
  resolver_.start(client_flags());
  ASSERT_FALSE(resolver_.wait_for_address("web.mesh").empty()) << resolver_.log();
  (void)token_command({"rotate-key"});
  folder_.write("token", token_command({"--mesh", "default", "--name", "client-1"}).output);
  ASSERT_EQ(run_command({"rm", state() + "/tokens/keys/1.pub"}).exit_code, 0);
  EXPECT_TRUE(wait_until([&] { return metric("meshdns_xds_connection_attempts_total") >= 2; }));
  EXPECT_TRUE(wait_until([&] { return metric("meshdns_xds_connected") == 1; })) << resolver_.log();
}

TEST_F(ControlPlaneTokens, OverTlsATokenIsAskedForUnlessItIsSaidOtherwise) {
  const CertificateAuthority authority("authority");
  authority.certify("127.0.0.1");
  const Flags tls{"--tls-cert-file", authority.certificate_of("127.0.0.1"),
                  "--tls-key-file",  authority.key_of("127.0.0.1"),
                  "--state-dir",     state()};
  issue_good();
  control_plane_.start(tls);
  const Flags client{"--control-plane-tls", "true", "--control-plane-ca-cert-file",
                     authority.file(".pem")};
  resolver_.start(client_flags(client));
  EXPECT_FALSE(resolver_.wait_for_address("web.mesh").empty()) << resolver_.log();
  ResolverProgram stranger;
  stranger.start(Flags{"--control-plane", control_plane_.address()} + client);
  EXPECT_TRUE(wait_until([&] {
    return stranger.log().find("a token is needed") != std::string::npos;
  })) << stranger.log();
  control_plane_.kill();
  control_plane_.start(tls + Flags{"--auth", "none"});
  EXPECT_FALSE(stranger.wait_for_address("web.mesh").empty()) << stranger.log();
}

TEST_F(ControlPlaneTokens, NoResolverSendsATokenToAnotherHostInPlaintext) {
  folder_.write("token", "a.b.c");
  const CommandResult refused =
      run_command({program_path("meshdns"), "check", "--control-plane", "192.0.2.1:5678",
                   "--control-plane-token-file", folder_.file("token")});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.output + refused.error, HasSubstr("in plaintext"));
}

}  // namespace
}  // namespace meshdns::support
