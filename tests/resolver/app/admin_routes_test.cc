#include "resolver/app/admin_routes.h"

#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/ip_address.h"
#include "base/metrics.h"
#include "base/sip_hash.h"
#include "discovery/packed_service.h"
#include "discovery/service.h"
#include "resolver/app/admin_server.h"
#include "resolver/app/cache_dump.h"
#include "resolver/app/service_entries.h"
#include "resolver/cache/answer_cache.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

class AdminRoutesTest : public testing::Test {
 protected:
  // The reply to a request for `path`, with the whole of its body.
  AdminReply get(const std::string& path) {
    AdminReply reply = routes_.at(path)();
    while (reply.next_piece) {
      const auto piece = reply.next_piece();
      if (!piece) {
        break;
      }
      reply.body += *piece;
    }
    return reply;
  }

  MetricRegistry registry_;
  Gauge& late_ = registry_.gauge("meshdns_late", "Set before it is read.");
  Readiness readiness_;
  const ServiceEntries* entries_ = nullptr;
  AnswerCache cache_{{}, HashKey()};
  AdminServer::Routes routes_ = make_admin_routes({
      .readiness = [this] { return readiness_; },
      .config = [] { return std::string("ttl: 30s\n"); },
      .entries = [this] { return entries_; },
      .before_metrics = [this] { late_.set(7); },
      .cache = [this] { return dump_cache(cache_, TimePoint()); },
      .upstreams = [] { return std::string("GROUP\n"); },
      .registry = &registry_,
  });
};

TEST_F(AdminRoutesTest, AreThoseThatAreDocumented) {
  std::string paths;
  for (const auto& [path, handler] : routes_) {
    paths += path + " ";
  }
  EXPECT_EQ(paths, "/cache /config /healthz /metrics /readyz /table /upstreams /vips ");
}

TEST_F(AdminRoutesTest, AreHealthyWhateverIsMissing) {
  readiness_.missing = {"table: none yet"};
  EXPECT_EQ(get("/healthz").status, 200U);
  EXPECT_EQ(get("/healthz").body, "ok\n");
}

TEST_F(AdminRoutesTest, SayWhatIsNotReady) {
  EXPECT_EQ(get("/readyz").status, 200U);
  EXPECT_EQ(get("/readyz").body, "ready\n");
  readiness_.notes = {"state: in memory"};
  EXPECT_EQ(get("/readyz").status, 200U) << "degraded is not unready";
  EXPECT_EQ(get("/readyz").body, "ready\nnote: state: in memory\n");
  readiness_.missing = {"table: none yet", "moon: not full"};
  EXPECT_EQ(get("/readyz").status, 503U);
  EXPECT_EQ(
      get("/readyz").body,
      "not ready\nmissing: table: none yet\nmissing: moon: not full\nnote: state: in memory\n");
}

TEST_F(AdminRoutesTest, SetLateGaugesBeforeTheMetricsAreRead) {
  const AdminReply reply = get("/metrics");
  EXPECT_EQ(reply.content_type, "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_THAT(reply.body, HasSubstr("\nmeshdns_late 7\n"));
}

TEST_F(AdminRoutesTest, ShowTheConfigurationInUse) {
  EXPECT_EQ(get("/config").content_type, "application/yaml");
  EXPECT_EQ(get("/config").body, "ttl: 30s\n");
}

TEST_F(AdminRoutesTest, ShowAnEmptyTableBeforeThereIsOne) {
  EXPECT_EQ(get("/table").content_type, "application/json");
  EXPECT_EQ(get("/table").body, "{\"services\":[\n]}\n");
  EXPECT_EQ(get("/vips").body, "{\"vips\":[\n]}\n");
}

TEST_F(AdminRoutesTest, ShowTheCacheALineForEachAnswer) {
  const std::string head = " evictions 0\nNAME TYPE CLASS DO CD LEFT KIND BYTES\n";
  EXPECT_THAT(get("/cache").body, AllOf(StartsWith("# entries 0 bytes "), EndsWith(head)));
  const Name name = Name::from_text("a\\032b.example.org").value();
  cache_.store_failure({.name = name, .type = 65280, .rrclass = 1, .dnssec_ok = true}, 5,
                       TimePoint());
  EXPECT_THAT(get("/cache").body,
              HasSubstr(head + "a\\032b.example.org. TYPE65280 IN do - 1 failure-5 "));
}

TEST_F(AdminRoutesTest, ShowTheUpstreamServers) { EXPECT_EQ(get("/upstreams").body, "GROUP\n"); }

TEST_F(AdminRoutesTest, ShowTheTableAsItIsAtTheRequest) {
  ServiceEntries entries;
  ServiceEntry web;
  web.service.id = {"default", "web"};
  web.addresses = {*IpAddress::parse("244.0.0.1")};
  web.status = AddressStatus::kLeased;
  const auto place = entries.add(discovery::PackedService(web.service)).place;
  entries.set_addresses(place, web.addresses, web.status);
  entries_ = &entries;
  EXPECT_THAT(get("/table").body, HasSubstr("\"name\":\"web\""));
  EXPECT_THAT(get("/vips").body, HasSubstr("\"ipv4\":\"244.0.0.1\""));
  EXPECT_EQ(get("/vips").content_type, "application/json");
  entries = ServiceEntries();
  EXPECT_EQ(get("/table").body, "{\"services\":[\n]}\n");
}

}  // namespace
}  // namespace meshdns::dns
