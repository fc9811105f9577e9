// When kuma-dp's socket is asked, and what its answers mean.
#include "discovery/feeds/kuma_poller.h"

#include <chrono>
#include <cstddef>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>

#include "base/log.h"
#include "base/metrics.h"
#include "base/result.h"
#include "discovery/feeds/kuma_feed.h"
#include "discovery/feeds/kuma_socket.h"
#include "discovery/feeds/metrics.h"
#include "discovery/service.h"
#include "tests/support/kuma_listener.h"

namespace meshdns::discovery {
namespace {

using std::chrono::milliseconds;
using support::kuma_body;
using support::kuma_etag;
using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::Ge;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Le;
using testing::Not;
using testing::SizeIs;

constexpr milliseconds kInterval{200};

KumaAnswer table(const std::string& body) {
  return {.kind = KumaAnswer::Kind::kTable, .table = {.json = body, .etag = kuma_etag(body)}};
}
const KumaAnswer kUnchanged{.kind = KumaAnswer::Kind::kUnchanged};
const KumaAnswer kNone{.kind = KumaAnswer::Kind::kNone};

class KumaPollerTest : public testing::Test {
 protected:
  milliseconds fail_with(const std::string& reason) {
    return poller.take(fail(ErrorCode::kNetwork, reason));
  }
  [[nodiscard]] std::size_t lines(const std::string& text) const {
    std::size_t count = 0;
    const std::string all = log.str();
    for (auto at = all.find(text); at != std::string::npos; at = all.find(text, at + 1)) {
      ++count;
    }
    return count;
  }

  std::ostringstream log;
  Logger logger{"feeds", std::make_shared<spdlog::sinks::ostream_sink_mt>(log)};
  MetricRegistry registry;
  KumaPollMetrics metrics{registry};
  std::vector<ServiceDelta> deltas;
  KumaFeed feed{logger, [this](ServiceDelta delta) { deltas.push_back(std::move(delta)); }};
  KumaPoller poller{{.path = "/kuma.sock", .interval = kInterval}, 1, feed, logger, metrics};
};

TEST_F(KumaPollerTest, ATableIsTakenAndThenAskedForByItsTag) {
  EXPECT_THAT(poller.etag(), IsEmpty());
  EXPECT_FALSE(poller.is_connected());
  EXPECT_THAT(poller.state(), HasSubstr("not connected to kuma-dp's socket /kuma.sock"));
  const std::string first = kuma_body({{"a.mesh", {"241.0.0.0"}}, {"b.mesh", {"241.0.0.1"}}});
  EXPECT_EQ(poller.take(table(first)), kInterval);
  EXPECT_TRUE(poller.is_connected());
  EXPECT_EQ(poller.etag(), kuma_etag(first));
  ASSERT_THAT(deltas, SizeIs(1));
  EXPECT_TRUE(deltas[0].full_state);
  EXPECT_EQ(poller.take(kUnchanged), kInterval);
  EXPECT_EQ(poller.take(table(first)), kInterval) << "who ignores the tag changes nothing";
  EXPECT_THAT(deltas, SizeIs(1));
  EXPECT_EQ(poller.take(table(kuma_body({{"a.mesh", {"241.0.0.0"}}}))), kInterval);
  ASSERT_THAT(deltas, SizeIs(2));
  EXPECT_THAT(deltas[1].records, IsEmpty());
  EXPECT_THAT(deltas[1].removed_records, ElementsAre("b.mesh"));
  EXPECT_EQ(metrics.changed.value(), 2U);
  EXPECT_EQ(metrics.unchanged.value(), 2U);
  EXPECT_EQ(metrics.connected.value(), 1);
}

TEST_F(KumaPollerTest, ATableOnDiskIsAskedForByItsTagAndConfirmed) {
  const std::string body = kuma_body({{"a.mesh", {"241.0.0.0"}}});
  static_cast<void>(poller.take(table(body)));
  const AcceptedResource& mark = deltas.at(0).accepted.back();
  KumaFeed next_feed(logger, [this](ServiceDelta delta) { deltas.push_back(std::move(delta)); },
                     {{mark.name, mark.version}});
  KumaPoller next({.path = "/kuma.sock", .interval = kInterval}, 1, next_feed, logger, metrics);
  EXPECT_EQ(next.etag(), kuma_etag(body));
  EXPECT_EQ(next.take(kUnchanged), kInterval);
  EXPECT_TRUE(next_feed.has_delivered());
  ASSERT_THAT(deltas, SizeIs(2));
  EXPECT_FALSE(deltas[1].full_state);
  EXPECT_THAT(deltas[1].records, IsEmpty());
  EXPECT_EQ(next.take(kUnchanged), kInterval);
  EXPECT_THAT(deltas, SizeIs(2)) << "once";
}

TEST_F(KumaPollerTest, ATableWithoutATagIsComparedEachTime) {
  KumaAnswer untagged = table(kuma_body({{"a.mesh", {"241.0.0.0"}}}));
  untagged.table.etag.clear();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(poller.take(untagged), kInterval);
    EXPECT_THAT(poller.etag(), IsEmpty());
  }
  ASSERT_THAT(deltas, SizeIs(3));
  EXPECT_THAT(deltas[2].records, IsEmpty()) << "and nothing changes";
}

TEST_F(KumaPollerTest, FailuresWaitLongerAndAreSaidOnce) {
  static_cast<void>(poller.take(table(kuma_body({{"a.mesh", {"241.0.0.0"}}}))));
  std::vector<milliseconds> waits;
  for (int i = 0; i < 20; ++i) {
    waits.push_back(fail_with("kuma-dp's socket /kuma.sock: there is none"));
  }
  EXPECT_THAT(waits.front(), AllOf(Ge(kInterval * 8 / 10), Le(kInterval * 12 / 10)));
  EXPECT_THAT(waits, Each(AllOf(Ge(kInterval * 8 / 10), Le(milliseconds(6000)))));
  EXPECT_THAT(waits.back(), Ge(milliseconds(4000)));
  EXPECT_EQ(lines("there is none"), 1U);
  EXPECT_FALSE(poller.is_connected());
  EXPECT_EQ(metrics.connected.value(), 0);
  EXPECT_EQ(metrics.failed.value(), 20U);
  EXPECT_THAT(poller.state(), HasSubstr("there is none"));
  EXPECT_THAT(poller.etag(), IsEmpty()) << "the next answer is to be whole";
  EXPECT_THAT(deltas, SizeIs(1)) << "the table stays";
  static_cast<void>(fail_with("kuma-dp's socket /kuma.sock: nobody listens"));
  EXPECT_EQ(lines("nobody listens"), 1U) << "another reason is news";

  EXPECT_EQ(poller.take(table(kuma_body({{"a.mesh", {"241.0.0.0"}}}))), kInterval);
  EXPECT_TRUE(poller.is_connected());
  EXPECT_EQ(lines("kuma-dp's socket answers path=/kuma.sock"), 2U);
  EXPECT_THAT(fail_with("x"), Le(kInterval * 12 / 10)) << "from the beginning";
}

TEST_F(KumaPollerTest, AnIntervalLongerThanTheLongestWaitStays) {
  KumaPoller slow({.path = "/kuma.sock", .interval = std::chrono::seconds(60)}, 1, feed, logger,
                  metrics);
  for (int i = 0; i < 5; ++i) {
    EXPECT_THAT(slow.take(fail(ErrorCode::kNetwork, "x")),
                AllOf(Ge(std::chrono::seconds(48)), Le(std::chrono::seconds(72))));
  }
}

TEST_F(KumaPollerTest, WhatCannotBeReadIsAFailureAndTheTableStays) {
  static_cast<void>(poller.take(table(kuma_body({{"a.mesh", {"241.0.0.0"}}}))));
  for (const char* const bad : {"", "{}", "[]", R"({"records":[{"name":7}]})", "<html>"}) {
    static_cast<void>(poller.take(table(bad)));
    EXPECT_FALSE(poller.is_connected()) << bad;
    EXPECT_THAT(poller.etag(), IsEmpty()) << bad;
  }
  EXPECT_THAT(poller.state(), HasSubstr("kuma-dp's socket /kuma.sock: the DNS table is no JSON"));
  EXPECT_EQ(feed.names(), 1U);
  EXPECT_EQ(metrics.failed.value(), 5U);
}

TEST_F(KumaPollerTest, NoTableIsSaidAndTheLastOneStays) {
  EXPECT_EQ(poller.take(kNone), kInterval) << "no failure: it may come at any time";
  EXPECT_FALSE(feed.has_delivered()) << "nothing may be denied";
  EXPECT_EQ(lines("tells no DNS table"), 1U);
  static_cast<void>(poller.take(table(kuma_body({{"a.mesh", {"241.0.0.0"}}}))));
  EXPECT_EQ(poller.take(kNone), kInterval);
  EXPECT_EQ(poller.take(kNone), kInterval);
  EXPECT_THAT(poller.etag(), IsEmpty()) << "as kuma-dp forgets it";
  EXPECT_EQ(lines("the last one stays in use"), 1U);
  EXPECT_EQ(feed.names(), 1U);
  EXPECT_EQ(metrics.none.value(), 3U);
}

}  // namespace
}  // namespace meshdns::discovery
