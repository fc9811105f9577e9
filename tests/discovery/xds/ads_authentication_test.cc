// Who may open a stream, over real gRPC: what the server makes of what an authenticator says.
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/result.h"
#include "discovery/xds/ads_client.h"
#include "discovery/xds/ads_server.h"
#include "discovery/xds/client_authenticator.h"
#include "discovery/xds/node.h"
#include "discovery/xds/stream_status.h"
#include "discovery/xds/type_urls.h"
#include "tests/discovery/xds/xds_fixture.h"

namespace meshdns::discovery {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

// Lets in whoever says "good", as the node that it is told, until it is told otherwise.
class Doorkeeper final : public ClientAuthenticator {
 public:
  Result<std::shared_ptr<const ClientIdentity>> authenticate(
      const std::vector<std::string>& authorization) override {
    if (authorization != std::vector<std::string>{"good"}) {
      return fail(ErrorCode::kPermissionDenied, "only the good");
    }
    return std::make_shared<const Guest>(*this);
  }

  std::atomic<bool> still_holds{true};
  std::string node = "default.test";  // TestClient's

 private:
  class Guest final : public ClientIdentity {
   public:
    explicit Guest(const Doorkeeper& doorkeeper) : doorkeeper_(doorkeeper) {}
    [[nodiscard]] Result<void> permit(const NodeInfo& node) const override {
      return node.id == doorkeeper_.node ? Result<void>()
                                         : fail(ErrorCode::kPermissionDenied, "somebody else");
    }
    [[nodiscard]] Result<void> recheck() const override {
      return doorkeeper_.still_holds ? Result<void>()
                                     : fail(ErrorCode::kPermissionDenied, "no longer good");
    }
    [[nodiscard]] std::vector<Fact> describe() const override { return {{"name", "guest"}}; }

   private:
    const Doorkeeper& doorkeeper_;
  };
};

class AdsAuthentication : public testing::Test {
 protected:
  static AdsServer::Options with(ClientAuthenticator& authenticator) {
    AdsServer::Options options;
    options.authenticator = &authenticator;
    return options;
  }
  [[nodiscard]] AdsClient::Options showing(const std::string& token) const {
    AdsClient::Options options;
    options.targets = {server.target()};
    options.credentials = [token]() -> Result<AdsCredentials> {
      AdsCredentials credentials;
      credentials.token = token;
      return credentials;
    };
    return options;
  }
  void connect(const std::string& token) {
    client.emplace(loop, showing(token), kServiceTypeUrl,
                   AdsClient::Interest{.wildcard = true, .names = {}});
  }
  [[nodiscard]] bool is_refused() {
    const auto before = server.metrics().streams_refused.value();
    return loop.wait_for([&] { return server.metrics().streams_refused.value() >= before + 2; }) &&
           client->responses == 0;
  }
  [[nodiscard]] std::string log_of_client() {
    client->client().stop();
    return client->log().text();
  }

  Doorkeeper doorkeeper;
  ControlLoop loop;
  TestServer server{with(doorkeeper)};
  std::optional<TestClient> client;
};

TEST_F(AdsAuthentication, WhoIsKnownIsServedAndShownToOperators) {
  connect("good");
  ASSERT_TRUE(loop.wait_for([&] { return client->responses > 0; }));
  const std::vector<StreamStatus> statuses = server.server().statuses(1);
  ASSERT_EQ(statuses.size(), 1);
  EXPECT_THAT(statuses.front().identity, ElementsAre(Pair("name", "guest")));
  server.server().recheck_clients();
  EXPECT_EQ(server.server().streams(), 1) << "nothing has changed";
}

TEST_F(AdsAuthentication, WhoShowsSomethingElseOrNothingIsUnauthenticatedAndToldWhy) {
  for (const char* const token : {"bad", ""}) {
    connect(token);
    EXPECT_TRUE(is_refused());
    EXPECT_THAT(log_of_client(), HasSubstr("only the good (code 16)"));
  }
  EXPECT_EQ(server.metrics().streams_opened.value(), 0) << "nothing they say is read";
}

TEST_F(AdsAuthentication, WhoSaysItIsAnotherNodeIsDenied) {
  doorkeeper.node = "default.other";
  connect("good");
  EXPECT_TRUE(is_refused());
  EXPECT_THAT(log_of_client(), HasSubstr("somebody else (code 7)"));
}

TEST_F(AdsAuthentication, WhoIsNoLongerKnownLosesItsStream) {
  connect("good");
  ASSERT_TRUE(loop.wait_for([&] { return client->responses > 0; }));
  doorkeeper.still_holds = false;
  server.server().recheck_clients();
  ASSERT_TRUE(loop.wait_for([&] { return client->connections.size() >= 2; }));
  EXPECT_FALSE(client->connections[1]);
  EXPECT_THAT(log_of_client(), HasSubstr("no longer good (code 16)"));
}

}  // namespace
}  // namespace meshdns::discovery
