#include "resolver/forward/ares_upstream.h"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "base/ip_address.h"
#include "base/metrics.h"
#include "resolver/forward/metrics.h"
#include "resolver/forward/upstream.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "tests/support/dns_client.h"
#include "tests/support/dns_message.h"
#include "tests/support/faulty_socket_layer.h"
#include "tests/support/ldns_judge.h"
#include "tests/support/scripted_upstream.h"
#include "tests/support/wait_until.h"

namespace meshdns::dns {
namespace {

using std::chrono::milliseconds;
using support::DnsTransport;
using support::make_reply;
using support::ScriptedUpstream;
using support::Truncated;
using support::UpstreamQuery;
using ::testing::ElementsAre;
using ::testing::SizeIs;

using Octets = std::vector<std::uint8_t>;
using Replies = std::vector<Octets>;

// Long enough for a loaded machine; a test that waits for it on purpose uses kShort.
constexpr milliseconds kLong{30'000};
constexpr milliseconds kShort{200};

Query query_for(const std::string& name, unsigned type = rrtype::kA,
                const support::QueryOptions& options = {}) {
  Query query;
  EXPECT_EQ(parse_query(support::make_query(name, type, options), query), ParseStatus::kOk);
  return query;
}

std::vector<std::string> answers_of(const AttemptResult& result) {
  const auto judged = support::judge(result.reply);
  return judged ? judged->answer : std::vector<std::string>{"(does not decode)"};
}

std::vector<std::string> addresses(const UpstreamQuery& query, const std::string& address) {
  return {query.name + " 60 IN A " + address};
}

class AresUpstreamTest : public ::testing::Test {
 protected:
  AresUpstream& serve(const SocketAddress& server) {
    upstream_ =
        std::make_unique<AresUpstream>(server, kLong, io_, sockets_, metrics_.upstream(server));
    return *upstream_;
  }
  AresUpstream& serve(ScriptedUpstream::Script script) {
    script_ = std::make_unique<ScriptedUpstream>(std::move(script));
    return serve(script_->address());
  }
  AttemptResult ask(const Query& query, milliseconds deadline = kLong) {
    std::vector<AttemptResult> results;
    upstream_->ask(query, deadline,
                   [&](AttemptResult result) { results.push_back(std::move(result)); });
    EXPECT_THAT(results, SizeIs(0)) << "done was called from within ask()";
    run_until([&] { return !results.empty(); });
    return results.empty() ? AttemptResult{} : std::move(results.front());
  }
  template <typename Condition>
  void run_until(Condition condition) {
    const auto bound = std::chrono::steady_clock::now() + support::kHangBound;
    while (!condition() && std::chrono::steady_clock::now() < bound) {
      io_.restart();
      io_.run_one_for(milliseconds(100));
    }
    EXPECT_TRUE(condition());
  }
  [[nodiscard]] std::uint64_t mismatches() {
    return metrics_.upstream(upstream_->server()).mismatches.value();
  }

  boost::asio::io_context io_;
  support::FaultySocketLayer sockets_;
  MetricRegistry registry_;
  ForwardMetrics metrics_{registry_};
  std::unique_ptr<ScriptedUpstream> script_;
  std::unique_ptr<AresUpstream> upstream_;
};

TEST_F(AresUpstreamTest, AsksWithItsOwnOptAndGivesTheReply) {
  serve(support::always_address("192.0.2.1"));
  const Query query = query_for("www.example.org", rrtype::kA, {.edns = 4096, .dnssec_ok = true});
  const AttemptResult result = ask(query);
  EXPECT_EQ(result.status, AttemptStatus::kReply);
  EXPECT_EQ(result.rcode, rcode::kNoError);
  EXPECT_THAT(answers_of(result), ElementsAre("www.example.org. 60 IN A 192.0.2.1"));
  const auto sent = support::judge(script_->queries().at(0).octets);
  ASSERT_TRUE(sent.has_value());
  EXPECT_TRUE(sent->edns && sent->dnssec_ok && sent->rd);
  EXPECT_EQ(sent->udp_size, 1232U);
  EXPECT_THAT(sent->edns_options, SizeIs(0));
}

TEST_F(AresUpstreamTest, TakesAReplyOf1232OctetsOverUdp) {
  serve([](const UpstreamQuery& query) -> Replies {
    std::vector<std::string> records;
    for (int i = 0; i < 70; ++i) {
      records.push_back(query.name + " 60 IN A 192.0.2." + std::to_string(i));
    }
    return {make_reply(query, "NOERROR", records)};
  });
  EXPECT_THAT(answers_of(ask(query_for("www.example.org"))), SizeIs(70));
  EXPECT_EQ(script_->count(DnsTransport::kTcp), 0U);
}

TEST_F(AresUpstreamTest, AsksOverTcpWhenTheReplyIsTruncated) {
  serve([](const UpstreamQuery& query) -> Replies {
    if (query.transport == DnsTransport::kUdp) {
      return {make_reply(query, "NOERROR", {}, Truncated::kYes)};
    }
    std::vector<std::string> records;
    for (int i = 0; i < 2000; ++i) {
      records.push_back(query.name + " 60 IN A 192.0." + std::to_string(i / 250) + "." +
                        std::to_string(i % 250));
    }
    return {make_reply(query, "NOERROR", records)};
  });
  const AttemptResult result = ask(query_for("large.example.org"));
  EXPECT_EQ(result.status, AttemptStatus::kReply);
  EXPECT_THAT(answers_of(result), SizeIs(2000));
}

TEST_F(AresUpstreamTest, PassesErrorRcodesOn) {
  for (const auto& [name, number] :
       std::vector<std::pair<std::string, std::uint16_t>>{{"SERVFAIL", rcode::kServFail},
                                                          {"NXDOMAIN", rcode::kNxDomain},
                                                          {"REFUSED", rcode::kRefused}}) {
    serve([name = name](const UpstreamQuery& query) -> Replies {
      return {make_reply(query, name, {})};
    });
    const AttemptResult result = ask(query_for("www.example.org"));
    EXPECT_EQ(result.status, AttemptStatus::kReply);
    EXPECT_EQ(result.rcode, number);
    EXPECT_THAT(script_->queries(), SizeIs(1));
  }
}

TEST_F(AresUpstreamTest, TimesOutOnASilentServer) {
  serve(support::silence());
  EXPECT_EQ(ask(query_for("www.example.org"), kShort).status, AttemptStatus::kTimeout);
  EXPECT_EQ(metrics_.upstream(upstream_->server()).timeouts.value(), 1U);
}

TEST_F(AresUpstreamTest, TakesAnIcmpRefusalAsANetworkErrorAtOnce) {
  serve({.ip = IpAddress::parse("127.0.0.1").value(), .port = support::free_port()});
  EXPECT_EQ(ask(query_for("www.example.org")).status, AttemptStatus::kNetworkError);
}

TEST_F(AresUpstreamTest, IsNotEndedByDatagramsThatAreNoAnswer) {
  serve([](const UpstreamQuery& query) -> Replies {
    const Octets good = make_reply(query, "NOERROR", addresses(query, "192.0.2.1"));
    Octets wrong_id = make_reply(query, "NOERROR", addresses(query, "192.0.2.66"));
    wrong_id[0] ^= 0xffU;
    Octets no_response = wrong_id;
    no_response[0] = query.octets[0];
    no_response[2] &= 0x7fU;
    Octets other_opcode = make_reply(query, "NOERROR", addresses(query, "192.0.2.66"));
    other_opcode[2] |= 0x20U;
    Octets other_name = make_reply(query, "NOERROR", addresses(query, "192.0.2.66"));
    other_name[kHeaderOctets + 1] ^= 0x01U;
    return {{},          {0},          Octets(11, 0), query.octets, wrong_id,
            no_response, other_opcode, other_name,    good};
  });
  EXPECT_THAT(answers_of(ask(query_for("www.example.org"))),
              ElementsAre("www.example.org. 60 IN A 192.0.2.1"));
  EXPECT_EQ(mismatches(), 7U);
}

TEST_F(AresUpstreamTest, SurvivesMoreStraysThanItSkipsAtOnce) {
  serve([](const UpstreamQuery& query) -> Replies {
    Replies replies(100);
    replies.push_back(make_reply(query, "NOERROR", addresses(query, "192.0.2.1")));
    return replies;
  });
  EXPECT_EQ(ask(query_for("www.example.org")).status, AttemptStatus::kReply);
}

TEST_F(AresUpstreamTest, CallsAReplyBadThatDoesNotParse) {
  serve([](const UpstreamQuery& query) -> Replies {
    Octets lies = make_reply(query, "NOERROR", addresses(query, "192.0.2.1"));
    lies.resize(lies.size() - 3);
    return {lies};
  });
  EXPECT_EQ(ask(query_for("www.example.org")).status, AttemptStatus::kBadReply);
}

// How servers without EDNS refuse it (RFC 6891 section 7).
enum class Refusal : std::uint8_t { kFormErr, kNotImp, kBareHeader };
class EdnsRefusal : public AresUpstreamTest, public ::testing::WithParamInterface<Refusal> {};

TEST_P(EdnsRefusal, IsFollowedByAPlainQuestion) {
  serve([](const UpstreamQuery& query) -> Replies {
    const auto judged = support::judge(query.octets);
    if (!judged.value().edns) {
      return {make_reply(query, "NOERROR", addresses(query, "192.0.2.1"))};
    }
    Octets refusal(query.octets.begin(), query.octets.end() - kOptOctets);
    refusal[2] |= 0x80U;
    refusal[3] = GetParam() == Refusal::kNotImp ? 4 : 1;
    refusal[11] = 0;  // no OPT
    if (GetParam() == Refusal::kBareHeader) {
      refusal.resize(kHeaderOctets);
      refusal[5] = 0;  // no question
    }
    return {refusal};
  });
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(answers_of(ask(query_for("www.example.org"))),
                ElementsAre("www.example.org. 60 IN A 192.0.2.1"));
  }
  EXPECT_THAT(script_->queries(), SizeIs(6)) << "each was refused once and asked once more";
  EXPECT_EQ(script_->count(DnsTransport::kTcp), 0U);
}

INSTANTIATE_TEST_SUITE_P(Forms, EdnsRefusal,
                         ::testing::Values(Refusal::kFormErr, Refusal::kNotImp,
                                           Refusal::kBareHeader));

TEST_F(AresUpstreamTest, GivesUpOnAServerThatRefusesThePlainQuestionToo) {
  serve([](const UpstreamQuery& query) -> Replies {
    Octets refusal(query.octets.begin(), query.octets.begin() + kHeaderOctets);
    refusal[2] |= 0x80U;
    refusal[3] = 1;
    refusal[5] = 0;
    refusal[11] = 0;
    return {refusal};
  });
  EXPECT_EQ(ask(query_for("www.example.org")).status, AttemptStatus::kBadReply);
  EXPECT_THAT(script_->queries(), SizeIs(2));
}

TEST_F(AresUpstreamTest, HearsALargeReplyOverUdpAfterMeetingEdnsRefusals) {
  std::atomic<bool> refuse = true;  // read by the server's thread
  serve([&refuse](const UpstreamQuery& query) -> Replies {
    const auto judged = support::judge(query.octets);
    if (refuse && judged.value().edns) {
      Octets refusal(query.octets.begin(), query.octets.end() - kOptOctets);
      refusal[2] |= 0x80U;
      refusal[3] = 1;
      refusal[11] = 0;
      return {refusal};
    }
    return {make_reply(query, "NOERROR",
                       std::vector<std::string>(40, query.name + " 60 IN TXT \"0123456789\""))};
  });
  EXPECT_EQ(ask(query_for("small.example.org")).status, AttemptStatus::kReply);
  refuse = false;
  EXPECT_EQ(ask(query_for("large.example.org")).status, AttemptStatus::kReply);
  EXPECT_EQ(script_->queries().back().transport, DnsTransport::kUdp);
}

TEST_F(AresUpstreamTest, UsesAFreshPortForEveryLoneQuestion) {
  serve(support::always_address("192.0.2.1"));
  std::set<std::uint16_t> ports;
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(ask(query_for("www.example.org")).status, AttemptStatus::kReply);
    ports.insert(script_->queries().back().client_port);
  }
  EXPECT_GE(ports.size(), 45U);
}

TEST_F(AresUpstreamTest, SpreadsConcurrentQuestionsOverPortsAndIds) {
  constexpr std::size_t kQuestions = 200;
  serve(support::silence());
  std::size_t ended = 0;
  const Query query = query_for("www.example.org");
  for (std::size_t i = 0; i < kQuestions; ++i) {
    upstream_->ask(query, kShort, [&](const AttemptResult& result) {
      EXPECT_EQ(result.status, AttemptStatus::kTimeout);
      ++ended;
    });
  }
  run_until([&] { return ended == kQuestions; });
  ASSERT_TRUE(support::wait_until([&] { return script_->queries().size() == kQuestions; }));
  std::set<std::uint16_t> ports;
  std::set<std::pair<std::uint8_t, std::uint8_t>> ids;
  for (const UpstreamQuery& seen : script_->queries()) {
    ports.insert(seen.client_port);
    ids.emplace(seen.octets[0], seen.octets[1]);
  }
  EXPECT_EQ(ports.size(), AresUpstream::kMaxChannels);
  EXPECT_GE(ids.size(), kQuestions - 5);
}

TEST_F(AresUpstreamTest, AnswersManyQuestionsAtOnceEachWithItsOwn) {
  serve(support::always_address("192.0.2.1"));
  constexpr std::size_t kQuestions = 200;  // the server's socket holds no more than some 270
  std::vector<Query> queries;
  std::vector<std::vector<std::string>> answers(kQuestions);
  std::size_t ended = 0;
  for (std::size_t i = 0; i < kQuestions; ++i) {
    queries.push_back(query_for("host" + std::to_string(i) + ".example.org"));
  }
  for (std::size_t i = 0; i < kQuestions; ++i) {
    upstream_->ask(queries[i], kLong, [&, i](const AttemptResult& result) {
      answers[i] = answers_of(result);
      ++ended;
    });
  }
  run_until([&] { return ended == kQuestions; });
  for (std::size_t i = 0; i < kQuestions; ++i) {
    EXPECT_THAT(answers[i],
                ElementsAre("host" + std::to_string(i) + ".example.org. 60 IN A 192.0.2.1"));
  }
}

TEST_F(AresUpstreamTest, FailsNoOtherQuestionWhenAConnectionBreaks) {
  serve([](const UpstreamQuery& query) -> Replies {
    if (query.name.starts_with("open")) {
      return {};
    }
    if (query.transport == DnsTransport::kTcp) {
      return {Octets{}};
    }
    return {make_reply(query, "NOERROR", {}, Truncated::kYes)};
  });
  // So many that none has a channel of its own.
  const Query open = query_for("open.example.org");
  const Query large = query_for("large.example.org");
  std::size_t open_ended = 0;
  std::size_t large_ended = 0;
  for (std::size_t i = 0; i < 4 * AresUpstream::kMaxChannels; ++i) {
    upstream_->ask(open, kLong, [&](const AttemptResult&) { ++open_ended; });
    upstream_->ask(large, kLong, [&](const AttemptResult& result) {
      EXPECT_EQ(result.status, AttemptStatus::kNetworkError);
      ++large_ended;
    });
  }
  run_until([&] { return large_ended == 4 * AresUpstream::kMaxChannels; });
  EXPECT_EQ(open_ended, 0U);
}

TEST_F(AresUpstreamTest, AnswersManyTruncatedQuestionsOfAServerThatEndsEachConnection) {
  constexpr std::size_t kQuestions = 3 * AresUpstream::kMaxConnections + 1;
  serve([](const UpstreamQuery& query) -> Replies {
    if (query.transport == DnsTransport::kUdp) {
      return {make_reply(query, "NOERROR", {}, Truncated::kYes)};
    }
    // The message without octets ends the connection behind the answer.
    return {make_reply(query, "NOERROR", addresses(query, "192.0.2.1")), Octets{}};
  });
  const Query query = query_for("www.example.org");
  std::size_t ended = 0;
  for (std::size_t i = 0; i < kQuestions; ++i) {
    upstream_->ask(query, kLong, [&](const AttemptResult& result) {
      EXPECT_THAT(answers_of(result), SizeIs(1));
      ++ended;
    });
  }
  run_until([&] { return ended == kQuestions; });
  EXPECT_EQ(script_->count(DnsTransport::kTcp), kQuestions);
}

TEST_F(AresUpstreamTest, LetsAQuestionWaitForAConnectionNoLongerThanItsDeadline) {
  constexpr std::size_t kQuestions = AresUpstream::kMaxConnections + 5;
  serve([](const UpstreamQuery& query) -> Replies {
    if (query.transport == DnsTransport::kTcp) {
      return {};
    }
    return {make_reply(query, "NOERROR", {}, Truncated::kYes)};
  });
  const Query query = query_for("www.example.org");
  std::size_t timed_out = 0;
  for (std::size_t i = 0; i < kQuestions; ++i) {
    upstream_->ask(query, kShort, [&](const AttemptResult& result) {
      timed_out += result.status == AttemptStatus::kTimeout ? 1 : 0;
    });
  }
  run_until([&] { return timed_out == kQuestions; });
  EXPECT_LE(script_->count(DnsTransport::kTcp), AresUpstream::kMaxConnections);
}

TEST_F(AresUpstreamTest, TakesAReplyLongerThanItAskedForAsTruncated) {
  serve([](const UpstreamQuery& query) -> Replies {
    return {make_reply(query, "NOERROR",
                       std::vector<std::string>(100, query.name + " 60 IN TXT \"0123456789\""))};
  });
  EXPECT_THAT(answers_of(ask(query_for("www.example.org"))), SizeIs(100));
  EXPECT_EQ(script_->count(DnsTransport::kTcp), 1U);
}

TEST_F(AresUpstreamTest, TakesAnEmptyTcpMessageAsANetworkError) {
  serve([](const UpstreamQuery& query) -> Replies {
    if (query.transport == DnsTransport::kTcp) {
      return {Octets{}};
    }
    return {make_reply(query, "NOERROR", {}, Truncated::kYes)};
  });
  EXPECT_EQ(ask(query_for("www.example.org")).status, AttemptStatus::kNetworkError);
}

TEST_F(AresUpstreamTest, TakesAResetTcpConnectionAsANetworkError) {
  serve([](const UpstreamQuery& query) -> Replies {
    return {make_reply(query, "NOERROR", {}, Truncated::kYes)};
  });
  sockets_.set_fault([](const support::SocketCall& call) {
    return call.step == support::SocketStep::kSocket && (call.type & SOCK_STREAM) != 0 ? EMFILE : 0;
  });
  EXPECT_EQ(ask(query_for("www.example.org")).status, AttemptStatus::kNetworkError);
}

struct SocketFault {
  std::string name;
  support::SocketStep step;
  int error;
};
class AresUpstreamFault : public AresUpstreamTest,
                          public ::testing::WithParamInterface<SocketFault> {};

TEST_P(AresUpstreamFault, IsANetworkErrorAndTheNextQuestionIsAskedAgain) {
  serve(support::always_address("192.0.2.1"));
  sockets_.set_fault([](const support::SocketCall& call) {
    return call.step == GetParam().step ? GetParam().error : 0;
  });
  EXPECT_EQ(ask(query_for("www.example.org")).status, AttemptStatus::kNetworkError);
  sockets_.set_fault({});
  EXPECT_EQ(ask(query_for("www.example.org")).status, AttemptStatus::kReply);
}

INSTANTIATE_TEST_SUITE_P(
    Calls, AresUpstreamFault,
    ::testing::Values(SocketFault{"NoDescriptor", support::SocketStep::kSocket, EMFILE},
                      SocketFault{"NoRoute", support::SocketStep::kConnect, ENETUNREACH},
                      SocketFault{"SendFails", support::SocketStep::kSend, EPERM},
                      SocketFault{"SendFull", support::SocketStep::kSend, EAGAIN},
                      SocketFault{"ReceiveFails", support::SocketStep::kReceive, ECONNREFUSED}),
    [](const auto& tested) { return tested.param.name; });

TEST_F(AresUpstreamTest, MayGoWithQuestionsOpen) {
  serve(support::silence());
  const Query query = query_for("www.example.org");
  bool called = false;
  for (int i = 0; i < 20; ++i) {
    upstream_->ask(query, kShort, [&](const AttemptResult&) { called = true; });
  }
  upstream_.reset();
  io_.restart();
  io_.run_for(kShort * 2);
  EXPECT_FALSE(called);
}

TEST_F(AresUpstreamTest, MayGoWithQuestionsWaitingForAConnection) {
  serve([](const UpstreamQuery& query) -> Replies {
    if (query.transport == DnsTransport::kTcp) {
      return {};
    }
    return {make_reply(query, "NOERROR", {}, Truncated::kYes)};
  });
  const Query query = query_for("www.example.org");
  bool called = false;
  for (std::size_t i = 0; i < AresUpstream::kMaxConnections + 5; ++i) {
    upstream_->ask(query, kLong, [&](const AttemptResult&) { called = true; });
  }
  run_until([&] { return script_->count(DnsTransport::kTcp) == AresUpstream::kMaxConnections; });
  upstream_.reset();
  io_.restart();
  io_.poll();
  EXPECT_FALSE(called);
}

TEST_F(AresUpstreamTest, MayGoWithTheReplyOnItsWay) {
  serve(support::always_address("192.0.2.1"));
  const Query query = query_for("www.example.org");
  bool called = false;
  upstream_->ask(query, kLong, [&](const AttemptResult&) { called = true; });
  // One step reads the reply and posts the end of the attempt, which must not run any more.
  io_.restart();
  io_.run_one_for(std::chrono::seconds(30));
  upstream_.reset();
  io_.restart();
  io_.poll();
  EXPECT_FALSE(called);
}

TEST_F(AresUpstreamTest, SpeaksIpv6) {
  script_ = std::make_unique<ScriptedUpstream>(support::always_address("192.0.2.1"), "::1");
  serve(script_->address());
  EXPECT_EQ(ask(query_for("www.example.org")).status, AttemptStatus::kReply);
}

}  // namespace
}  // namespace meshdns::dns
