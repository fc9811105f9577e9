#include "resolver/app/control_plane_link.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "base/metrics.h"
#include "discovery/service.h"
#include "discovery/xds/ads_client.h"
#include "discovery/xds/metrics.h"
#include "resolver/app/control_loop.h"
#include "resolver/app/meshdns_feeds.h"
#include "resolver/forward/upstream_server.h"
#include "tests/support/http2_frames.h"
#include "tests/support/scripted_upstream.h"
#include "tests/support/wait_until.h"

namespace meshdns::dns {
namespace {

using Messages = std::vector<std::vector<std::uint8_t>>;
using boost::asio::ip::tcp;
using testing::ElementsAre;
namespace http2 = support::http2;

TEST(ControlPlaneAddress, IsTakenApart) {
  struct Case {
    std::string text;
    std::string host;
    int port;
    std::string target;
  };
  const std::vector<Case> cases{
      {"127.0.0.1:5678", "", 5678, "ipv4:127.0.0.1:5678"},
      {"[::1]:5678", "", 5678, "ipv6:[::1]:5678"},
      {"unix:/run/cp.sock", "", 0, "unix:/run/cp.sock"},
      {"cp.example.org:5678", "cp.example.org", 5678, ""},
      {"cp:1", "cp", 1, ""},
      {"CP.Example.org.:65535", "CP.Example.org.", 65535, ""},
  };
  for (const Case& row : cases) {
    const ControlPlaneAddress address = parse_control_plane_address(row.text);
    EXPECT_EQ(address.host, row.host) << row.text;
    EXPECT_EQ(address.port, row.port) << row.text;
    EXPECT_EQ(address.target, row.target) << row.text;
  }
}

TEST(TargetsOf, KeepsTheOrderAndNamesTheFamily) {
  EXPECT_THAT(targets_of({*IpAddress::parse("2001:db8::7"), *IpAddress::parse("192.0.2.7")}, 5678),
              ElementsAre("ipv6:[2001:db8::7]:5678", "ipv4:192.0.2.7:5678"));
  EXPECT_THAT(targets_of({}, 1), testing::IsEmpty());
}

class ControlPlaneLinkTest : public testing::Test {
 protected:
  void start(const std::string& address, const std::vector<SocketAddress>& name_servers) {
    link_ = std::make_unique<ControlPlaneLink>(
        ControlPlaneLink::Options{
            .addresses = {address},
            .feeds = std::make_unique<MeshdnsFeeds>(MeshdnsFeeds::Options{.mesh = "default"}),
            .node = {},
            .credentials =
                [this] {
                  ++attempts_;
                  return discovery::AdsCredentials();
                }},
        loop_, clock_, logs_->logger("xds"), metrics_,
        ControlPlaneLink::Callbacks{.on_delta = [](const discovery::ServiceDelta&) {},
                                    .name_servers =
                                        [this, name_servers] {
                                          ++look_ups_;
                                          return plain_servers(name_servers);
                                        }});
    link_->start();
  }
  // Runs the control loop until `done`.
  template <typename Done>
  bool run_until(Done done) {
    return support::wait_until([&] {
      loop_.io().poll();
      loop_.io().restart();
      return done();
    });
  }
  // A peer that takes connections and speaks no gRPC.
  [[nodiscard]] std::string mute_port() const {
    return std::to_string(mute_.local_endpoint().port());
  }
  // Whether somebody has connected to it, and what HTTP/2 begins with (RFC 9113 section 3.4) came.
  bool has_visitor() {
    boost::system::error_code error;
    mute_.accept(visitor_, error);
    if (error) {
      return false;
    }
    visitor_.non_blocking(false);
    std::string preface(14, '\0');
    boost::asio::read(visitor_, boost::asio::buffer(preface), error);
    return preface == "PRI * HTTP/2.0";
  }
  // Takes what the visitor says; false once it has closed its connection.
  bool hears_visitor() {
    visitor_.non_blocking(true);
    boost::system::error_code error;
    std::array<char, 512> said{};
    while (!error) {
      heard_.append(said.data(), visitor_.read_some(boost::asio::buffer(said), error));
    }
    return error == boost::asio::error::would_block;
  }

  boost::asio::io_context mute_io_;
  tcp::acceptor mute_{mute_io_, {boost::asio::ip::make_address("127.0.0.1"), 0}};
  tcp::socket visitor_{mute_io_};
  std::string heard_;         // of the visitor
  std::size_t attempts_ = 0;  // to connect
  std::size_t look_ups_ = 0;  // of a name
  ControlLoop loop_;
  SystemClock clock_;
  std::unique_ptr<Logs> logs_ = Logs::create({"off", LogFormat::kText}).value();
  MetricRegistry registry_;
  discovery::XdsClientMetrics metrics_{registry_};
  std::unique_ptr<ControlPlaneLink> link_;
};

TEST_F(ControlPlaneLinkTest, ConnectsToAnAddressWithoutAskingAnybody) {
  const support::ScriptedUpstream server(support::always_address("127.0.0.1"));
  mute_.non_blocking(true);
  start("127.0.0.1:" + mute_port(), {server.address()});
  EXPECT_TRUE(run_until([this] { return has_visitor(); }));
  EXPECT_FALSE(link_->is_connected()) << "it has not said anything";
  EXPECT_FALSE(link_->has_delivered());
  EXPECT_EQ(link_->state(), "not connected to 127.0.0.1:" + mute_port());
  EXPECT_TRUE(server.queries().empty());
}

TEST_F(ControlPlaneLinkTest, LooksAHostNameUpAndConnects) {
  const support::ScriptedUpstream server(support::always_address("127.0.0.1"));
  mute_.non_blocking(true);
  start("cp.example.org:" + mute_port(), {server.address()});
  EXPECT_TRUE(run_until([this] { return has_visitor(); }));
  EXPECT_EQ(server.queries().front().name, "cp.example.org.");
  EXPECT_EQ(link_->state(), "not connected to cp.example.org:" + mute_port());
}

TEST_F(ControlPlaneLinkTest, SaysWhyAHostNameLeadsNowhere) {
  start("cp.example.org:5678", {});
  EXPECT_TRUE(run_until([this] {
    return link_->state().find("cannot resolve cp.example.org") != std::string::npos;
  })) << link_->state();
  EXPECT_FALSE(link_->is_connected());
}

TEST_F(ControlPlaneLinkTest, AsksAgainWhenAHostNameLedNowhere) {
  const support::ScriptedUpstream server([](const support::UpstreamQuery& query) {
    return Messages{support::make_reply(query, "NXDOMAIN", {})};
  });
  start("cp.example.org:5678", {server.address()});
  ASSERT_TRUE(
      run_until([this] { return link_->state().find("cannot resolve") != std::string::npos; }));
  const std::size_t first = server.queries().size();
  EXPECT_TRUE(run_until([&] { return server.queries().size() > first; }));
}

TEST_F(ControlPlaneLinkTest, EndsWhileANameIsLookedUp) {
  const support::ScriptedUpstream server(support::silence());
  start("cp.example.org:5678", {server.address()});
  ASSERT_TRUE(run_until([&] { return !server.queries().empty(); }));
  link_.reset();
  EXPECT_EQ(loop_.io().poll(), 1U) << "what was found out, which nobody takes";
  EXPECT_EQ(look_ups_, 1U);
  EXPECT_EQ(attempts_, 0U);
}

TEST_F(ControlPlaneLinkTest, EndsWhileItConnects) {
  mute_.non_blocking(true);
  start("127.0.0.1:" + mute_port(), {});
  ASSERT_TRUE(run_until([this] { return has_visitor(); }));
  boost::asio::write(visitor_, boost::asio::buffer(http2::frame(http2::kSettings, 0, 0, "")));
  ASSERT_TRUE(run_until([this] {
    return hears_visitor() && heard_.find("AggregatedDiscoveryService") != std::string::npos;
  }));
  link_.reset();
  EXPECT_TRUE(run_until([this] { return !hears_visitor(); }));
  EXPECT_FALSE(has_visitor()) << "it came again";
  EXPECT_EQ(attempts_, 1U);
}

}  // namespace
}  // namespace meshdns::dns
