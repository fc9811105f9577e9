#include "resolver/app/query.h"

#include <cstdint>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "base/result.h"
#include "tests/support/dns_client.h"
#include "tests/support/scripted_upstream.h"

namespace meshdns::dns {
namespace {

using Messages = std::vector<std::vector<std::uint8_t>>;
using support::always_address;
using support::DnsTransport;
using support::make_reply;
using support::ScriptedUpstream;
using support::Truncated;
using support::UpstreamQuery;
using testing::AllOf;
using testing::HasSubstr;

// Far more than any of these tests takes.
constexpr const char* kLong = "30s";

QueryOptions ask(const ScriptedUpstream& server, const std::string& name,
                 const std::string& type = "") {
  return {.name = name,
          .type = type,
          .server = server.address().to_string(),
          .tcp = false,
          .timeout = kLong};
}

TEST(RunQuery, AsksInTheCaseOfTheWords) {
  const ScriptedUpstream server(
      [](const UpstreamQuery& query) { return Messages{make_reply(query, "NOERROR", {})}; });
  ASSERT_TRUE(run_query(ask(server, "WEB.Mesh", "A")));
  const auto octets = server.queries().back().octets;
  EXPECT_THAT(std::string(octets.begin(), octets.end()), HasSubstr("\3WEB\4Mesh"));
}

TEST(RunQuery, AsksWhatTheWordsMean) {
  struct Case {
    std::string name;
    std::string type;
    std::string want_name;
    std::string want_type;
  };
  const std::vector<Case> cases{
      {"web.mesh", "", "web.mesh.", "A"},
      {"web.mesh.", "AAAA", "web.mesh.", "AAAA"},
      {"web.mesh", "aaaa", "web.mesh.", "AAAA"},
      {"WEB.Mesh", "SOA", "web.mesh.", "SOA"},
      {".", "NS", ".", "NS"},
      {"web", "", "web.", "A"},
      {"web.mesh", "TYPE65", "web.mesh.", "HTTPS"},
      {"a\\.b.mesh", "", "a\\.b.mesh.", "A"},
      {"244.0.0.7", "", "7.0.0.244.in-addr.arpa.", "PTR"},
      {"2001:db8::1", "",
       "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.", "PTR"},
      {"192.0.2.1", "TXT", "1.2.0.192.in-addr.arpa.", "TXT"},
  };
  const ScriptedUpstream server(
      [](const UpstreamQuery& query) { return Messages{make_reply(query, "NOERROR", {})}; });
  for (const Case& row : cases) {
    const auto text = run_query(ask(server, row.name, row.type));
    ASSERT_TRUE(text) << row.name << ": " << text.error().message;
    const UpstreamQuery asked = server.queries().back();
    EXPECT_EQ(asked.name, row.want_name);
    EXPECT_EQ(asked.type, row.want_type) << row.name;
  }
}

TEST(RunQuery, PrintsTheWholeAnswerAndWhereItCameFrom) {
  const ScriptedUpstream server(always_address("192.0.2.7"));
  const auto text = run_query(ask(server, "web.mesh"));
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_THAT(*text, AllOf(HasSubstr("rcode: NOERROR"), HasSubstr("web.mesh."),
                           HasSubstr("192.0.2.7"), HasSubstr(";; SERVER: 127.0.0.1")));
  EXPECT_EQ(server.count(DnsTransport::kUdp), 1U);
}

TEST(RunQuery, TakesEveryRcodeForAnAnswer) {
  for (const std::string rcode : {"SERVFAIL", "NXDOMAIN", "REFUSED"}) {
    const ScriptedUpstream server(
        [&rcode](const UpstreamQuery& query) { return Messages{make_reply(query, rcode, {})}; });
    const auto text = run_query(ask(server, "web.mesh"));
    ASSERT_TRUE(text) << rcode << ": " << text.error().message;
    EXPECT_THAT(*text, HasSubstr("rcode: " + rcode));
  }
}

TEST(RunQuery, AsksAgainOverTcpWhenTheAnswerIsTruncated) {
  const ScriptedUpstream server([](const UpstreamQuery& query) {
    return query.transport == DnsTransport::kUdp
               ? Messages{make_reply(query, "NOERROR", {}, Truncated::kYes)}
               : Messages{make_reply(query, "NOERROR", {query.name + " 1 IN A 192.0.2.9"})};
  });
  const auto text = run_query(ask(server, "web.mesh"));
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_THAT(*text, HasSubstr("192.0.2.9"));
  EXPECT_EQ(server.count(DnsTransport::kTcp), 1U);
}

TEST(RunQuery, StartsWithTcpWhenTold) {
  const ScriptedUpstream server(always_address("192.0.2.7"));
  QueryOptions options = ask(server, "web.mesh");
  options.tcp = true;
  ASSERT_TRUE(run_query(options));
  EXPECT_EQ(server.count(DnsTransport::kTcp), 1U);
  EXPECT_EQ(server.count(DnsTransport::kUdp), 0U);
}

// Text that a server chose must not reach the terminal as it is.
TEST(RunQuery, EscapesWhatARecordHolds) {
  const ScriptedUpstream server([](const UpstreamQuery& query) {
    return Messages{
        make_reply(query, "NOERROR", {query.name + R"( 1 IN TXT "\027[31mred\255\010")"})};
  });
  const auto text = run_query(ask(server, "web.mesh", "TXT"));
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_THAT(*text, HasSubstr("\\027[31mred\\255\\010"));
  EXPECT_EQ(text->find('\x1b'), std::string::npos);
}

TEST(RunQuery, TriesTwiceAndNamesTheServerThatIsSilent) {
  const ScriptedUpstream server(support::silence());
  QueryOptions options = ask(server, "web.mesh");
  options.timeout = "10ms";
  const auto text = run_query(options);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, ErrorCode::kNetwork);
  EXPECT_THAT(text.error().message, HasSubstr("no answer from " + options.server));
  EXPECT_LE(server.count(DnsTransport::kUdp), 2U);
}

TEST(RunQuery, RefusesAReplyThatIsNoMessage) {
  const ScriptedUpstream server([](const UpstreamQuery& query) {
    // The header counts a record that is not there.
    std::vector<std::uint8_t> reply = make_reply(query, "NOERROR", {});
    reply.at(7) = 1;
    return Messages{reply};
  });
  QueryOptions options = ask(server, "web.mesh");
  options.timeout = "50ms";
  const auto text = run_query(options);
  ASSERT_FALSE(text) << *text;
  EXPECT_EQ(text.error().code, ErrorCode::kNetwork);
}

TEST(RunQuery, NamesTheWordThatIsWrong) {
  struct Case {
    std::string name;
    std::string type;
    std::string server;
    std::string timeout;
    std::string want;
  };
  const std::string here = "127.0.0.1";
  const std::vector<Case> cases{
      {"", "", here, "2s", "'' is no domain name (write one such as web.mesh)"},
      {"a..b", "", here, "2s", "'a..b' is no domain name"},
      {std::string(64, 'a') + ".mesh", "", here, "2s", "' is no domain name"},
      {"a", "ABC", here, "2s", "'ABC' is no record type"},
      {"a", "TYPE70000", here, "2s", "is no record type"},
      {"a", "TYPE", here, "2s", "is no record type"},
      {"a", "type0", here, "2s", "is no record type"},
      {"a", "", "localhost", "2s", "--server: 'localhost'"},
      {"a", "", "127.0.0.1:99999", "2s", "--server: "},
      {"a", "", "127.0.0.1:0", "2s", "--server: "},
      {"a", "", "", "2s", "--server: "},
      {"a", "", "fe80::1%lo", "2s", "--server: "},
      {"a", "", here, "2", "--timeout: '2' is no duration"},
      {"a", "", here, "0ms", "--timeout: '0ms' is out of range"},
      {"a", "", here, "2m", "--timeout: '2m' is out of range"},
  };
  for (const Case& row : cases) {
    QueryOptions options;
    options.name = row.name;
    options.type = row.type;
    options.server = row.server;
    options.timeout = row.timeout;
    const auto text = run_query(options);
    ASSERT_FALSE(text) << row.want;
    EXPECT_EQ(text.error().code, ErrorCode::kInvalidArgument) << text.error().message;
    EXPECT_THAT(text.error().message, HasSubstr(row.want));
  }
}

}  // namespace
}  // namespace meshdns::dns
