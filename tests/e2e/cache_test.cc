// What a running resolver keeps of upstream's answers, and what it tells when upstream is gone.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "resolver/wire/protocol.h"
#include "tests/support/dns_client.h"
#include "tests/support/process.h"
#include "tests/support/programs.h"
#include "tests/support/scripted_upstream.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;
using testing::SizeIs;

class Cache : public testing::Test {
 protected:
  void start(const std::string& ttl, const std::vector<std::string>& flags = {}) {
    upstream_ = std::make_unique<ScriptedUpstream>(
        [ttl](const UpstreamQuery& query) -> std::vector<std::vector<std::uint8_t>> {
          return {make_reply(query, "NOERROR", {query.name + " " + ttl + " IN A 192.0.2.1"})};
        });
    std::vector<std::string> all{"--upstream", upstream_->address().to_string(),
                                 "--upstream-timeout", "500ms"};
    all.insert(all.end(), flags.begin(), flags.end());
    resolver_.start(all);
  }
  std::optional<DnsReply> look_up(const std::string& name,
                                  DnsTransport transport = DnsTransport::kUdp) {
    return ask(resolver_.dns(), {.name = name, .edns = true}, transport);
  }
  // Of `meshdns cache ...` on the resolver's state folder.
  CommandResult command(std::vector<std::string> words) {
    words.insert(words.begin(), {program_path("meshdns"), "cache"});
    words.insert(words.end(), {"--state-dir", resolver_.state_folder()});
    return run_command(words);
  }

  std::unique_ptr<ScriptedUpstream> upstream_;
  ResolverProgram resolver_;
};

TEST_F(Cache, AsksUpstreamOnceForAllClientsAndTransports) {
  start("300", {"--workers", "2"});
  for (int i = 0; i < 10; ++i) {
    for (const DnsTransport transport : {DnsTransport::kUdp, DnsTransport::kTcp}) {
      const auto reply = look_up("www.example.org", transport);
      ASSERT_TRUE(reply);
      EXPECT_THAT(reply->answer_data("A"), ElementsAre("192.0.2.1"));
    }
  }
  EXPECT_THAT(upstream_->queries(), SizeIs(1));
}

TEST_F(Cache, TellsWhatIsStaleWhenUpstreamIsGone) {
  start("1");
  ASSERT_TRUE(look_up("www.example.org"));
  upstream_.reset();
  std::optional<DnsReply> reply;
  ASSERT_TRUE(wait_until([&] {
    reply = look_up("www.example.org");
    return reply && reply->message().extended_error.has_value();
  }));
  EXPECT_EQ(reply->message().extended_error->code, dns::extended_error::kStaleAnswer);
  EXPECT_THAT(reply->message().answer, ElementsAre("www.example.org. 1 IN A 192.0.2.1"));
  // What was never known is a failure, told from memory a moment later.
  const auto unknown = look_up("unknown.example.org");
  ASSERT_TRUE(unknown);
  EXPECT_EQ(unknown->message().rcode, dns::rcode::kServFail);
}

TEST_F(Cache, IsShownAndForgottenByCommand) {
  start("300");
  for (const std::string name : {"www.example.org", "a.www.example.org", "other.example.org"}) {
    ASSERT_TRUE(look_up(name));
  }
  EXPECT_THAT(command({"stat"}).output, MatchesRegex("entries 3 bytes [0-9]+ evictions 0\n"));
  EXPECT_THAT(command({"lookup", "WWW.example.org"}).output,
              HasSubstr("www.example.org. A IN - - "));
  EXPECT_THAT(command({"lookup", "WWW.example.org"}).output, Not(HasSubstr("other")));
  EXPECT_THAT(command({"dump"}).output, HasSubstr("other.example.org. A IN"));
  const CommandResult missing = command({"lookup", "missing.example.org"});
  EXPECT_EQ(missing.exit_code, 5);
  EXPECT_THAT(missing.error, HasSubstr("nothing is kept of missing.example.org."));

  EXPECT_EQ(command({"flush", "www.example.org"}).output, "forgot 1 answers\n");
  EXPECT_THAT(command({"dump"}).output, HasSubstr("\na.www.example.org."));
  ASSERT_TRUE(look_up("www.example.org"));
  EXPECT_THAT(upstream_->queries(), SizeIs(4));
  EXPECT_EQ(command({"flush", "www.example.org", "--below"}).output, "forgot 2 answers\n");
  EXPECT_EQ(command({"flush"}).output, "forgot 1 answers\n");
  EXPECT_THAT(command({"stat"}).output, HasSubstr("entries 0 "));
  const CommandResult wrong = command({"flush", "a..b"});
  EXPECT_EQ(wrong.exit_code, 1);
  EXPECT_THAT(wrong.error, HasSubstr("'a..b' is no domain name"));
}

TEST_F(Cache, CanBeLeftOut) {
  start("300", {"--cache-size", "0MiB"});
  ASSERT_TRUE(look_up("www.example.org"));
  ASSERT_TRUE(look_up("www.example.org"));
  EXPECT_THAT(upstream_->queries(), SizeIs(2));
}

}  // namespace
}  // namespace meshdns::support
