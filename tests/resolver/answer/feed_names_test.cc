// Wildcards of feeds, and zones that others have names in, too.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "base/result.h"
#include "resolver/answer/outcome.h"
#include "resolver/answer/query_handler.h"
#include "resolver/snapshot/port_lists.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/snapshot/snapshot_builder.h"
#include "resolver/snapshot/snapshot_image.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "resolver/wire/transport.h"
#include "tests/support/dns_message.h"
#include "tests/support/ldns_judge.h"

namespace meshdns::dns {
namespace {

using support::judge;
using support::make_query;
using support::Octets;
using testing::ElementsAre;

class FeedNamesTest : public testing::Test {
 protected:
  FeedNamesTest() {
    auto builder = SnapshotBuilder::create({.owned_zones = {"mesh."},
                                            .shared_zones = {"svc.cluster.local.", "svc.mesh."},
                                            .vip_pools = {*IpPrefix::parse("244.0.0.0/6")}});
    builder_ = std::move(*builder);
  }

  void add(const std::string& name, const std::string& address) {
    builder_->upsert_record(
        {.name = name, .addresses = {*IpAddress::parse(address)}, .ttl_seconds = std::nullopt});
  }
  void publish() { snapshot_ = builder_->build(); }
  // As the next process sees it.
  void publish_image(bool is_complete) {
    std::string file;
    ASSERT_TRUE(
        write_image(*snapshot_, {.fingerprint = "f", .marks = {}}, [&file](std::string_view part) {
          file += part;
          return Result<void>();
        }));
    auto image = read_image(file, "f", builder_->hash_key(), HttpsRecords::kTlsPorts);
    ASSERT_TRUE(image);
    (*image)->is_complete = is_complete;
    builder_->serve_image(std::move(*image));
    publish();
  }

  // The address or addresses, "NODATA", "upstream", or an rcode as a number.
  std::string ask(std::string_view name, std::uint16_t type = rrtype::kA) {
    Octets bytes(65535);
    Query query;
    const Outcome outcome = handler_.handle(*snapshot_, make_query(name, type), Transport::kUdp,
                                            ClientAccess::kAllowed, bytes, query);
    if (outcome.verdict == Verdict::kForward) {
      return "upstream";
    }
    bytes.resize(outcome.size);
    const auto message = judge(bytes);
    EXPECT_TRUE(message.has_value()) << name;
    if (!message || message->rcode != 0) {
      return std::to_string(outcome.rcode);
    }
    std::string text;
    for (const std::string& record : message->answer) {
      EXPECT_EQ(record.substr(0, record.find(' ')), std::string(name) + ".");
      text += (text.empty() ? "" : " ") + record.substr(record.rfind(' ') + 1);
    }
    return text.empty() ? "NODATA" : text;
  }

  std::unique_ptr<SnapshotBuilder> builder_;
  std::unique_ptr<const Snapshot> snapshot_;
  QueryHandler handler_{{}};
};

TEST_F(FeedNamesTest, AWildcardStandsForNamesBelowIt) {
  add("*.example.org", "192.0.2.1");
  add("*.deep.example.org", "192.0.2.2");
  add("here.example.org", "192.0.2.3");
  add("x.side.example.org", "192.0.2.4");
  builder_->set_ready(true);
  publish();
  struct Case {
    std::string name;
    std::string want;
  };
  const std::vector<Case> cases = {
      {"a.example.org", "192.0.2.1"},
      {"A.eXample.org", "192.0.2.1"},
      {"b.a.example.org", "192.0.2.1"},
      {"a.deep.example.org", "192.0.2.2"},
      {"c.b.a.deep.example.org", "192.0.2.2"},
      {"deep.example.org", "192.0.2.1"},  // not below its own wildcard, but below the other
      {"here.example.org", "192.0.2.3"},
      {"y.here.example.org", "192.0.2.1"},  // no name hides it
      {"y.side.example.org", "192.0.2.1"},
      {"*.example.org", "192.0.2.1"},  // an asterisk is a label
      {"example.org", "upstream"},
      {"a.example.net", "upstream"},
      {"org", "upstream"},
      {std::string(63, 'a') + "." + std::string(63, 'b') + "." + std::string(63, 'c') + "." +
           std::string(40, 'd') + ".example.org",
       "192.0.2.1"},
  };
  for (const Case& row : cases) {
    EXPECT_EQ(ask(row.name), row.want) << row.name;
  }
  EXPECT_EQ(ask("a.example.org", rrtype::kAaaa), "NODATA");
  EXPECT_EQ(ask("a.example.org", rrtype::kHttps), "NODATA");
  EXPECT_EQ(ask("a.example.org", rrtype::kTxt), "upstream");
}

TEST_F(FeedNamesTest, AWildcardIsGoneWithItsLastOwner) {
  add("*.example.org", "192.0.2.1");
  add("*.a.example.org", "192.0.2.2");
  add("*.b.example.org", "192.0.2.3");
  builder_->remove_record("*.a.example.org");
  builder_->set_ready(true);
  publish();
  EXPECT_EQ(ask("x.a.example.org"), "192.0.2.1");
  EXPECT_EQ(ask("x.b.example.org"), "192.0.2.3");
  builder_->remove_record("*.b.example.org");
  builder_->remove_record("*.example.org");
  publish();
  EXPECT_FALSE(snapshot_->tables().wildcards.any());
  EXPECT_EQ(ask("x.b.example.org"), "upstream");
}

TEST_F(FeedNamesTest, AWildcardInAZoneOfOursComesBeforeItsDenial) {
  add("*.apps.mesh", "192.0.2.1");
  builder_->set_ready(true);
  publish();
  EXPECT_EQ(ask("a.apps.mesh"), "192.0.2.1");
  EXPECT_EQ(ask("a.apps.mesh", rrtype::kTxt), "NODATA");
  EXPECT_EQ(ask("apps.mesh"), "NODATA");
  EXPECT_EQ(ask("a.other.mesh"), "3");
}

TEST_F(FeedNamesTest, AnImageKeepsWildcards) {
  add("*.example.org", "192.0.2.1");
  builder_->set_ready(true);
  publish();
  builder_->remove_record("*.example.org");
  publish_image(true);
  EXPECT_EQ(ask("a.example.org"), "192.0.2.1");
  EXPECT_EQ(ask("example.org"), "upstream");
}

TEST_F(FeedNamesTest, OfASharedZoneNothingIsSaidUntilOurNamesInItAreKnown) {
  publish();
  EXPECT_EQ(ask("web.default.svc.cluster.local"), "2");
  EXPECT_EQ(ask("web.default.svc.cluster.local", rrtype::kTxt), "2");
  EXPECT_EQ(ask("svc.cluster.local"), "2");
  EXPECT_EQ(ask("cluster.local"), "upstream");
  EXPECT_EQ(ask("example.org"), "upstream");

  add("web.default.svc.cluster.local", "192.0.2.1");
  builder_->set_ready(true);
  publish();
  EXPECT_EQ(ask("web.default.svc.cluster.local"), "192.0.2.1");
  EXPECT_EQ(ask("web.default.svc.cluster.local", rrtype::kAaaa), "NODATA");
  EXPECT_EQ(ask("web.default.svc.cluster.local", rrtype::kTxt), "upstream");
  EXPECT_EQ(ask("other.default.svc.cluster.local"), "upstream");
  EXPECT_EQ(ask("default.svc.cluster.local"), "upstream");
  EXPECT_EQ(ask("svc.cluster.local"), "upstream");
}

TEST_F(FeedNamesTest, WhatIsMissingInASharedZoneIsNotForwardedWhileNamesMayBeMissing) {
  add("web.default.svc.cluster.local", "192.0.2.1");
  builder_->set_ready(true);
  builder_->set_denies(false);
  publish();
  EXPECT_EQ(ask("web.default.svc.cluster.local"), "192.0.2.1");
  EXPECT_EQ(ask("web.default.svc.cluster.local", rrtype::kTxt), "upstream");
  EXPECT_EQ(ask("other.default.svc.cluster.local"), "2");

  publish_image(false);
  EXPECT_EQ(ask("web.default.svc.cluster.local"), "192.0.2.1");
  EXPECT_EQ(ask("other.default.svc.cluster.local"), "2");
}

TEST_F(FeedNamesTest, ASharedZoneInAZoneOfOursIsOurs) {
  builder_->set_ready(true);
  publish();
  EXPECT_EQ(ask("web.svc.mesh"), "3");
}

}  // namespace
}  // namespace meshdns::dns
