// Kuma refuses a proxy's next stream for ten seconds after the last one ended ("there is already an
// active stream from this node"). Time here is what the client asks its timer for.
#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <spdlog/sinks/null_sink.h>

#include "base/log.h"
#include "base/metrics.h"
#include "discovery/xds/ads_client.h"
#include "discovery/xds/ads_transport.h"
#include "discovery/xds/metrics.h"
#include "discovery/xds/response.h"
#include "discovery/xds/type_urls.h"
#include "resolver/app/kuma_settings.h"
#include "tests/discovery/xds/fake_transport.h"
#include "tests/support/manual_clock.h"

namespace meshdns::dns {
namespace {

using discovery::AdsClient;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kHeld{10};

class KumaReconnect : public testing::Test {
 protected:
  KumaReconnect() {
    AdsClient::Options options;
    options.targets = {"ipv4:192.0.2.1:5678"};
    options.backoff = kKumaBackoff;
    client = std::make_unique<AdsClient>(options, std::make_unique<discovery::FakeTransport>(world),
                                         clock, logger, metrics);
    client->observe_connection([this](bool connected) { is_connected = connected; });
    client->subscribe(std::string(discovery::kListenerTypeUrl), {.wildcard = true, .names = {}},
                      [](const auto& /*view*/) { return std::vector<discovery::Rejection>(); });
    client->start();
    respond();
  }

  discovery::FakeStream& stream() { return world.streams.back(); }
  void respond() {
    discovery::DecodedResponse response;
    response.type_url = std::string(discovery::kListenerTypeUrl);
    response.nonce = "1";
    auto on_response = stream().events.on_response;
    on_response(std::move(response));
  }
  void end(const std::string& reason) {
    auto on_end = stream().events.on_end;
    on_end({.unimplemented = false, .reason = reason});
  }
  // Lets the time pass that the client waits for; that time.
  milliseconds wait() {
    auto timer = std::exchange(world.timer, nullptr);
    EXPECT_TRUE(timer) << "it has given up";
    const milliseconds waited = world.delays.back();
    timer();
    return waited;
  }

  discovery::FakeWorld world;  // outlives the client
  support::ManualClock clock;
  Logger logger{"xds", std::make_shared<spdlog::sinks::null_sink_mt>()};
  MetricRegistry registry;
  discovery::XdsClientMetrics metrics{registry};
  std::unique_ptr<AdsClient> client;
  bool is_connected = false;
};

TEST_F(KumaReconnect, ComesAboutOnceKumaLetsGoOfTheStreamBefore) {
  ASSERT_TRUE(is_connected);
  // Over and over: each loss begins anew, since a response came in between.
  for (int loss = 0; loss < 20; ++loss) {
    end("gone");
    milliseconds since_loss = wait();
    while (since_loss < kHeld) {
      EXPECT_FALSE(is_connected);
      end("there is already an active stream from this node, try again later");
      since_loss += wait();
    }
    respond();
    EXPECT_TRUE(is_connected);
    EXPECT_LT(since_loss, kHeld + seconds(10)) << "not much later than it could";
  }
}

TEST_F(KumaReconnect, GoesOnHoweverLongItIsRefused) {
  milliseconds longest{0};
  milliseconds sum{0};
  while (sum < std::chrono::hours(24)) {
    end("there is already an active stream from this node, try again later");
    const milliseconds pause = wait();
    longest = std::max(longest, pause);
    sum += pause;
  }
  EXPECT_LE(longest, seconds(18)) << "15 s, give or take a fifth";
  respond();
  EXPECT_TRUE(is_connected);
}

}  // namespace
}  // namespace meshdns::dns
