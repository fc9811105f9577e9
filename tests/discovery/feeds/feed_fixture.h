// A feed on a client whose server is the test.
#pragma once

#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>

#include "base/log.h"
#include "base/metrics.h"
#include "discovery/service.h"
#include "discovery/xds/ads_client.h"
#include "discovery/xds/metrics.h"
#include "discovery/xds/response.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "tests/discovery/xds/fake_transport.h"
#include "tests/support/manual_clock.h"

namespace meshdns::discovery {

template <typename Feed>
class FeedFixture : public testing::Test {
 protected:
  using DeltaDiscoveryRequest = envoy::service::discovery::v3::DeltaDiscoveryRequest;

  // `type_url`: of the responses.
  explicit FeedFixture(std::string_view type_url) : type_url_(type_url) {}
  // Before what the feed tells goes.
  void TearDown() override { client.reset(); }

  // Makes the client; the test starts it once the feed has subscribed.
  void make_client(bool sotw) {
    AdsClient::Options options;
    options.targets = {"unix:/one"};
    options.sotw_only = sotw;
    client = std::make_unique<AdsClient>(options, std::make_unique<FakeTransport>(world), clock,
                                         logger, metrics);
  }
  FakeStream& stream() { return world.streams.back(); }
  void respond_with(std::string_view type_url, std::vector<DecodedResource> resources,
                    std::vector<std::string> removed) {
    ++responses;
    const DecodedResponse response{.type_url = std::string(type_url),
                                   .version = "v" + std::to_string(responses),
                                   .nonce = "n" + std::to_string(responses),
                                   .resources = std::move(resources),
                                   .removed = std::move(removed)};
    const auto on_response = stream().events.on_response;
    on_response(response);
  }
  void respond(std::vector<DecodedResource> resources, std::vector<std::string> removed = {}) {
    respond_with(type_url_, std::move(resources), std::move(removed));
  }
  void reconnect() {
    const auto on_end = stream().events.on_end;
    on_end({.unimplemented = false, .reason = "gone"});
    const auto timer = std::exchange(world.timer, nullptr);
    ASSERT_TRUE(timer);
    timer();
  }
  DeltaDiscoveryRequest last_request() {
    DeltaDiscoveryRequest request;
    EXPECT_TRUE(request.ParseFromString(stream().requests.back()));
    return request;
  }
  // What the last response was answered with; empty for an ACK.
  std::string nack() { return last_request().error_detail().message(); }

  FakeWorld world;  // outlives the client
  support::ManualClock clock;
  std::ostringstream log;
  Logger logger{"feeds", std::make_shared<spdlog::sinks::ostream_sink_mt>(log)};
  MetricRegistry registry;
  XdsClientMetrics metrics{registry};
  std::vector<ServiceDelta> deltas;
  int responses = 0;
  std::unique_ptr<Feed> feed;  // outlives the client's callbacks
  std::unique_ptr<AdsClient> client;

 private:
  std::string type_url_;
};

}  // namespace meshdns::discovery
