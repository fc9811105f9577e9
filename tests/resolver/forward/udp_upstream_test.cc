#include "resolver/forward/udp_upstream.h"

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <new>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/unique_fd.h"
#include "resolver/forward/metrics.h"
#include "resolver/forward/random_ids.h"
#include "resolver/forward/stream_upstream.h"
#include "resolver/forward/timer_driver.h"
#include "resolver/forward/timer_queue.h"
#include "resolver/forward/udp_sockets.h"
#include "resolver/forward/upstream.h"
#include "resolver/forward/upstream_server.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "tests/support/dns_client.h"
#include "tests/support/dns_message.h"
#include "tests/support/faulty_socket_layer.h"
#include "tests/support/ldns_judge.h"
#include "tests/support/manual_clock.h"
#include "tests/support/port_statistics.h"
#include "tests/support/recording_upstream.h"
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
constexpr std::size_t kMaxOpen = 1000;

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

class UdpUpstreamTest : public ::testing::Test {
 protected:
  UdpUpstream& serve(const SocketAddress& server) {
    const UpstreamServer plain{.address = server};
    upstream_ = std::make_unique<UdpUpstream>(
        std::make_unique<StreamUpstream>(
            PreparedServer{.server = plain},
            StreamUpstream::Environment{.io = io_, .timers = timers_, .log = logs_->logger("fwd")},
            metrics_.upstream(plain)),
        UdpUpstream::Environment{.sockets = *udp_, .timers = timers_, .random = random_},
        metrics_.upstream(plain));
    return *upstream_;
  }
  UdpUpstream& serve(ScriptedUpstream::Script script) {
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
  [[nodiscard]] UpstreamMetrics metrics() { return metrics_.upstream(upstream_->server()); }

  boost::asio::io_context io_;
  support::FaultySocketLayer sockets_;
  MetricRegistry registry_;
  ForwardMetrics metrics_{registry_};
  std::unique_ptr<Logs> logs_ = Logs::create({.level = "off"}).value();
  SystemClock clock_;
  TimerQueue timers_{clock_};
  TimerDriver driver_{io_, timers_};
  RandomIds random_;
  std::unique_ptr<UdpSockets> udp_ = std::make_unique<UdpSockets>(kMaxOpen, io_, sockets_);
  std::unique_ptr<ScriptedUpstream> script_;
  std::unique_ptr<UdpUpstream> upstream_;
};

TEST_F(UdpUpstreamTest, AsksWithItsOwnOptAndGivesTheReply) {
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

TEST_F(UdpUpstreamTest, TakesAReplyOf1232OctetsOverUdp) {
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

// Whoever drops TCP has been heard over UDP: that is no server which is gone.
TEST_F(UdpUpstreamTest, AServerThatTruncatesAndIsNotThereOverTcpHasGivenABadReply) {
  serve([](const UpstreamQuery& query) -> Replies {
    return {make_reply(query, "NOERROR", {}, Truncated::kYes)};
  });
  support::AttemptRecord over_stream;
  upstream_ = std::make_unique<UdpUpstream>(
      std::make_unique<support::RecordingUpstream>(script_->address(), over_stream),
      UdpUpstream::Environment{.sockets = *udp_, .timers = timers_, .random = random_},
      metrics_.upstream({.address = script_->address()}));
  const Query query = query_for("www.example.org");
  std::vector<AttemptStatus> results;
  upstream_->ask(query, kLong,
                 [&](const AttemptResult& result) { results.push_back(result.status); });
  run_until([&] { return over_stream.size() == 1; });
  over_stream.front().end({AttemptStatus::kNetworkError, 0, {}});
  EXPECT_THAT(results, ElementsAre(AttemptStatus::kBadReply));
}

TEST_F(UdpUpstreamTest, AsksOverTcpWhenTheReplyIsTruncated) {
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

TEST_F(UdpUpstreamTest, PassesErrorRcodesOn) {
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

TEST_F(UdpUpstreamTest, TimesOutOnASilentServer) {
  serve(support::silence());
  EXPECT_EQ(ask(query_for("www.example.org"), kShort).status, AttemptStatus::kTimeout);
}

TEST_F(UdpUpstreamTest, TakesAnIcmpRefusalAsANetworkErrorAtOnce) {
  serve({.ip = IpAddress::parse("127.0.0.1").value(), .port = support::free_port()});
  EXPECT_EQ(ask(query_for("www.example.org")).status, AttemptStatus::kNetworkError);
}

TEST_F(UdpUpstreamTest, IsNotEndedByDatagramsThatAreNoAnswer) {
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
  EXPECT_EQ(metrics().mismatches.value(), 8U);
}

TEST_F(UdpUpstreamTest, AsksOverTcpAfterTenDatagramsThatAreNoAnswer) {
  serve([](const UpstreamQuery& query) -> Replies {
    if (query.transport == DnsTransport::kTcp) {
      return {make_reply(query, "NOERROR", addresses(query, "192.0.2.1"))};
    }
    Replies replies(10);
    replies.push_back(make_reply(query, "NOERROR", addresses(query, "192.0.2.66")));
    return replies;
  });
  EXPECT_THAT(answers_of(ask(query_for("www.example.org"))),
              ElementsAre("www.example.org. 60 IN A 192.0.2.1"));
}

TEST_F(UdpUpstreamTest, NineDatagramsThatAreNoAnswerChangeNothing) {
  serve([](const UpstreamQuery& query) -> Replies {
    Replies replies(9);
    replies.push_back(make_reply(query, "NOERROR", addresses(query, "192.0.2.1")));
    return replies;
  });
  EXPECT_EQ(ask(query_for("www.example.org")).status, AttemptStatus::kReply);
  EXPECT_EQ(script_->count(DnsTransport::kTcp), 0U);
}

// The name as it was sent, label by label.
std::string spelling(const UpstreamQuery& query) {
  const auto name = std::span(query.octets).subspan(kHeaderOctets, query.name.size() + 1);
  return {name.begin(), name.end()};
}

bool is_mixed(const UpstreamQuery& query) {
  return std::ranges::any_of(spelling(query), [](char c) { return c >= 'A' && c <= 'Z'; });
}

TEST_F(UdpUpstreamTest, MixesTheCaseOfEachNameAnewAndGivesTheReplyInLowerCase) {
  serve([](const UpstreamQuery& query) -> Replies {
    return {make_reply(query, "NOERROR", addresses(query, "192.0.2.1"))};
  });
  std::set<std::string> spellings;
  for (int i = 0; i < 20; ++i) {
    const AttemptResult result = ask(query_for("www.example.org"));
    EXPECT_THAT(support::judge(result.reply).value().question,
                ElementsAre("www.example.org. IN A"));
    spellings.insert(spelling(script_->queries().back()));
  }
  EXPECT_GE(spellings.size(), 15U);
  EXPECT_EQ(metrics().case_retries.value(), 0U);
}

// Whoever has somebody ask for a name that is never answered must not weaken all other questions.
TEST_F(UdpUpstreamTest, MixesTheCaseOfQuestionsThatAreAskedBesideOthers) {
  serve([](const UpstreamQuery& query) -> Replies {
    return query.type == "TXT"
               ? Replies{}
               : Replies{make_reply(query, "NOERROR", addresses(query, "192.0.2.1"))};
  });
  constexpr std::size_t kQuestions = 20;
  const Query silent = query_for("www.example.org", rrtype::kTxt);
  const Query query = query_for("www.example.org");
  for (int round = 0; round < 5; ++round) {
    upstream_->ask(silent, kLong, [](const AttemptResult& /*result*/) {});
    std::size_t answered = 0;
    for (std::size_t i = 0; i < kQuestions; ++i) {
      upstream_->ask(query, kLong, [&](const AttemptResult& /*result*/) { ++answered; });
    }
    run_until([&] { return answered == kQuestions; });
  }
  const auto in_lower = std::ranges::count_if(
      script_->queries(), [](const UpstreamQuery& sent) { return !is_mixed(sent); });
  EXPECT_LT(in_lower, 3) << "one in eight thousand by chance";
}

// One server, each of whose answers takes a while, on a clock that the test owns.
class SlowServer : public ::testing::Test {
 protected:
  static constexpr milliseconds kStep{10};
  static constexpr milliseconds kAnswerTime{300};
  struct Taken {
    Octets octets;
    sockaddr_storage from{};
    TimePoint at;
  };

  // A question is asked, another one may be answered, and some time goes by.
  void step() {
    upstream_.ask(query_, kLong, [this](const AttemptResult& /*result*/) { ++answered_; });
    Taken taken{.octets = Octets(kMaxMessageOctets), .at = clock_.now()};
    socklen_t size = sizeof taken.from;
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API's own idiom.
    auto* const from = reinterpret_cast<sockaddr*>(&taken.from);
    const ssize_t received =
        ::recvfrom(server_.get(), taken.octets.data(), taken.octets.size(), 0, from, &size);
    ASSERT_GT(received, 0);
    taken.octets.resize(static_cast<std::size_t>(received));
    was_mixed_.push_back(std::ranges::any_of(
        std::span(taken.octets).subspan(kHeaderOctets, query_.asked_name().size()),
        [](std::uint8_t octet) { return octet >= 'A' && octet <= 'Z'; }));
    taken_.push_back(std::move(taken));
    clock_.advance(kStep);
    while (!taken_.empty() && clock_.now() - taken_.front().at >= kAnswerTime) {
      answer(taken_.front());
      taken_.pop_front();
    }
  }
  // Without records.
  void answer(Taken& taken) {
    taken.octets.resize(kHeaderOctets + query_.question().size());
    taken.octets[2] |= 0x80U;
    taken.octets[11] = 0;  // no OPT
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API's own idiom.
    const auto* const to = reinterpret_cast<const sockaddr*>(&taken.from);
    ASSERT_GT(::sendto(server_.get(), taken.octets.data(), taken.octets.size(), 0, to,
                       sizeof(sockaddr_in)),
              0);
    const std::size_t before = answered_;
    ASSERT_TRUE(support::wait_until([&] {
      io_.restart();
      io_.poll();
      return answered_ == before + 1;
    }));
  }

  boost::asio::io_context io_;
  support::FaultySocketLayer sockets_;
  MetricRegistry registry_;
  ForwardMetrics metrics_{registry_};
  std::unique_ptr<Logs> logs_ = Logs::create({.level = "off"}).value();
  support::ManualClock clock_;
  TimerQueue timers_{clock_};
  RandomIds random_;
  UdpSockets udp_{kMaxOpen, io_, sockets_};
  UniqueFd server_ = support::bind_socket({.ip = IpAddress::parse("127.0.0.1").value(), .port = 0},
                                          DnsTransport::kUdp);
  const UpstreamServer plain_{.address = {.ip = IpAddress::parse("127.0.0.1").value(),
                                          .port = support::port_of(server_.get())}};
  UdpUpstream upstream_{
      std::make_unique<StreamUpstream>(
          PreparedServer{.server = plain_},
          StreamUpstream::Environment{.io = io_, .timers = timers_, .log = logs_->logger("fwd")},
          metrics_.upstream(plain_)),
      {.sockets = udp_, .timers = timers_, .random = random_},
      metrics_.upstream(plain_)};
  const Query query_ = query_for("www.a-long-name-that-is-never-mixed-to-itself.example.org");
  std::deque<Taken> taken_;
  std::vector<bool> was_mixed_;
  std::size_t answered_ = 0;
};

TEST_F(SlowServer, IsNotTakenForOneThatDropsMixedCase) {
  for (int i = 0; i < 300; ++i) {
    step();
  }
  const auto first = was_mixed_.begin() + 2 * kAnswerTime / kStep;
  EXPECT_EQ(std::count(first, was_mixed_.end(), false), 0) << "once it has answered";
}

// A server that writes the question's name its own way.
Octets in_lower_case(const UpstreamQuery& query, const std::string& address) {
  Octets reply = make_reply(query, "NOERROR", addresses(query, address));
  for (std::size_t i = kHeaderOctets; i < kHeaderOctets + query.name.size() + 1; ++i) {
    reply[i] = static_cast<std::uint8_t>(std::tolower(reply[i]));
  }
  return reply;
}

TEST_F(UdpUpstreamTest, AsksAServerThatLosesTheCaseAgainInLowerCaseAndSoForAWhile) {
  serve([](const UpstreamQuery& query) -> Replies { return {in_lower_case(query, "192.0.2.1")}; });
  EXPECT_EQ(ask(query_for("www.a-long-name-that-is-never-mixed-to-itself.example.org")).status,
            AttemptStatus::kReply);
  EXPECT_THAT(script_->queries(), SizeIs(2));
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(ask(query_for("www.a-long-name-that-is-never-mixed-to-itself.example.org")).status,
              AttemptStatus::kReply);
  }
  EXPECT_THAT(script_->queries(), SizeIs(7));
  EXPECT_EQ(metrics().case_retries.value(), 1U);
}

TEST_F(UdpUpstreamTest, DoesNotTakeAReplyInAnotherCase) {
  // The forgery comes first; it has the port and the id, but not the case.
  serve([](const UpstreamQuery& query) -> Replies {
    return {in_lower_case(query, "192.0.2.66"),
            make_reply(query, "NOERROR", addresses(query, "192.0.2.1"))};
  });
  const AttemptResult result =
      ask(query_for("www.a-long-name-that-is-never-mixed-to-itself.example.org"));
  // Asked again in lower case, that server's forgery is as good as an answer; but not before.
  EXPECT_THAT(script_->queries(), SizeIs(2));
  EXPECT_EQ(result.status, AttemptStatus::kReply);
}

// However a server writes names, it is not asked for ever: over TCP nobody minds the case.
TEST_F(UdpUpstreamTest, AServerThatWritesNamesItsOwnWayIsAskedOverTcpSoon) {
  serve([](const UpstreamQuery& query) -> Replies {
    Octets reply = make_reply(query, "NOERROR", addresses(query, "192.0.2.1"));
    const std::size_t end = kHeaderOctets + query.name.size();
    std::transform(reply.begin() + kHeaderOctets, reply.begin() + static_cast<std::ptrdiff_t>(end),
                   reply.begin() + kHeaderOctets, [](std::uint8_t octet) {
                     return static_cast<std::uint8_t>(std::toupper(octet));
                   });
    return {reply};
  });
  const AttemptResult result = ask(query_for("www.example.org"), milliseconds(2000));
  EXPECT_EQ(result.status, AttemptStatus::kReply);
  EXPECT_LE(script_->count(DnsTransport::kUdp), 2U);
  EXPECT_EQ(script_->count(DnsTransport::kTcp), 1U);
}

TEST_F(UdpUpstreamTest, AsksAServerThatIsDeafToMixedCaseInLowerCase) {
  serve([](const UpstreamQuery& query) -> Replies {
    return is_mixed(query) ? Replies{}
                           : Replies{make_reply(query, "NOERROR", addresses(query, "192.0.2.1"))};
  });
  int unheard = 0;
  for (int i = 0; i < 12; ++i) {
    unheard += ask(query_for("www.example.org"), kShort).status == AttemptStatus::kTimeout ? 1 : 0;
  }
  EXPECT_LE(unheard, 3) << "each is asked again by the policy, and lower case is learnt";
}

TEST_F(UdpUpstreamTest, GivesUpItsPortAtOnceWhenCancelled) {
  serve(support::silence());
  const Query query = query_for("www.example.org");
  bool called = false;
  const AttemptId attempt =
      upstream_->ask(query, kLong, [&](const AttemptResult&) { called = true; });
  EXPECT_EQ(udp_->open_count(), 1U);
  upstream_->cancel(attempt);
  upstream_->cancel(attempt);
  EXPECT_EQ(udp_->open_count(), 0U);
  EXPECT_FALSE(timers_.next().has_value());
  io_.poll();
  EXPECT_FALSE(called);
}

TEST_F(UdpUpstreamTest, MayBeCancelledWhileItAsksOverTcp) {
  serve([](const UpstreamQuery& query) -> Replies {
    return query.transport == DnsTransport::kTcp
               ? Replies{}
               : Replies{make_reply(query, "NOERROR", {}, Truncated::kYes)};
  });
  bool called = false;
  AttemptId attempt = 0;
  {
    const Query query = query_for("www.example.org");
    attempt = upstream_->ask(query, kLong, [&](const AttemptResult&) { called = true; });
    run_until([&] { return script_->count(DnsTransport::kTcp) == 1; });
    upstream_->cancel(attempt);
  }
  EXPECT_EQ(ask(query_for("other.example.org"), kShort).status, AttemptStatus::kTimeout);
  EXPECT_FALSE(called);
}

TEST_F(UdpUpstreamTest, SharesTheSocketsThatItHasWhenThereAreNoMore) {
  udp_ = std::make_unique<UdpSockets>(3, io_, sockets_);
  serve([](const UpstreamQuery& query) -> Replies {
    return {make_reply(query, "NOERROR", addresses(query, "192.0.2.1"))};
  });
  constexpr std::size_t kQuestions = 60;
  const Query query = query_for("www.example.org");
  std::size_t answered = 0;
  for (std::size_t i = 0; i < kQuestions; ++i) {
    upstream_->ask(query, kLong, [&](const AttemptResult& result) {
      answered += result.status == AttemptStatus::kReply ? 1 : 0;
    });
  }
  EXPECT_EQ(udp_->open_count(), 3U);
  run_until([&] { return answered == kQuestions; });
  EXPECT_EQ(udp_->open_count(), 0U);
}

TEST_F(UdpUpstreamTest, HearsNothingThatCameForAnEarlierQuestion) {
  // Each answer is sent often: what is left in the socket must not be there for the next question.
  serve([](const UpstreamQuery& query) -> Replies {
    return Replies(5, make_reply(query, "NOERROR", addresses(query, "192.0.2.1")));
  });
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(ask(query_for("host" + std::to_string(i) + ".example.org")).status,
              AttemptStatus::kReply);
  }
  EXPECT_EQ(metrics().mismatches.value(), 0U);
}

TEST_F(UdpUpstreamTest, DrawsAPortForEachQuestionThatNobodyCanForetell) {
  serve(support::always_address("192.0.2.1"));
  constexpr std::size_t kQuestions = 5000;
  const Query query = query_for("www.example.org");
  std::size_t answered = 0;
  for (std::size_t i = 0; i < kQuestions; ++i) {
    upstream_->ask(query, kLong, [&](const AttemptResult&) { ++answered; });
    run_until([&] { return answered == i + 1; });
  }
  const support::PortStatistics ports = support::port_statistics(script_->queries());
  EXPECT_GE(ports.distinct, 4500U);
  EXPECT_LE(ports.chi_squared, support::PortStatistics::kUnlikelyChiSquared);
  EXPECT_LE(ports.small_steps, kQuestions / 100);
  EXPECT_GE(ports.distinct_ids, 4700U);
}

TEST_F(UdpUpstreamTest, CallsAReplyBadThatDoesNotParse) {
  serve([](const UpstreamQuery& query) -> Replies {
    Octets lies = make_reply(query, "NOERROR", addresses(query, "192.0.2.1"));
    lies.resize(lies.size() - 3);
    return {lies};
  });
  EXPECT_EQ(ask(query_for("www.example.org")).status, AttemptStatus::kBadReply);
}

// How servers without EDNS refuse it (RFC 6891 section 7).
enum class Refusal : std::uint8_t { kFormErr, kNotImp, kBareHeader };
class EdnsRefusal : public UdpUpstreamTest, public ::testing::WithParamInterface<Refusal> {};

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

TEST_F(UdpUpstreamTest, GivesUpOnAServerThatRefusesThePlainQuestionToo) {
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

TEST_F(UdpUpstreamTest, HearsALargeReplyOverUdpAfterMeetingEdnsRefusals) {
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

TEST_F(UdpUpstreamTest, AnswersManyQuestionsAtOnceEachWithItsOwn) {
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

struct SocketFault {
  std::string name;
  support::SocketStep step;
  int error;
};
class UdpUpstreamFault : public UdpUpstreamTest,
                         public ::testing::WithParamInterface<SocketFault> {};

TEST_P(UdpUpstreamFault, IsANetworkErrorAndTheNextQuestionIsAskedAgain) {
  serve(support::always_address("192.0.2.1"));
  sockets_.set_fault([](const support::SocketCall& call) {
    return call.step == GetParam().step ? GetParam().error : 0;
  });
  EXPECT_EQ(ask(query_for("www.example.org")).status, AttemptStatus::kNetworkError);
  sockets_.set_fault({});
  EXPECT_EQ(ask(query_for("www.example.org")).status, AttemptStatus::kReply);
}

INSTANTIATE_TEST_SUITE_P(
    Calls, UdpUpstreamFault,
    ::testing::Values(SocketFault{"NoDescriptor", support::SocketStep::kSocket, EMFILE},
                      SocketFault{"NoRoute", support::SocketStep::kConnect, ENETUNREACH},
                      SocketFault{"SendFails", support::SocketStep::kSend, EPERM},
                      SocketFault{"SendFull", support::SocketStep::kSend, EAGAIN},
                      SocketFault{"ReceiveFails", support::SocketStep::kReceive, ECONNREFUSED}),
    [](const auto& tested) { return tested.param.name; });

TEST_F(UdpUpstreamTest, AQuestionThatThereIsNoMemoryForIsOverAtOnce) {
  for (const support::SocketStep step :
       {support::SocketStep::kSocket, support::SocketStep::kConnect, support::SocketStep::kSend}) {
    serve(support::silence());
    const Query query = query_for("www.example.org");
    sockets_.set_fault([step](const support::SocketCall& call) -> int {
      return call.step == step ? throw std::bad_alloc() : 0;
    });
    bool called = false;
    EXPECT_THROW(upstream_->ask(query, kShort, [&](const AttemptResult&) { called = true; }),
                 std::bad_alloc);
    sockets_.set_fault({});
    io_.restart();
    io_.run_for(kShort * 2);
    EXPECT_FALSE(called) << "whoever asked may be gone";
    EXPECT_EQ(udp_->open_count(), 0U);
  }
}

TEST_F(UdpUpstreamTest, MayGoWithQuestionsOpen) {
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

TEST_F(UdpUpstreamTest, SpeaksIpv6) {
  script_ = std::make_unique<ScriptedUpstream>(support::always_address("192.0.2.1"), "::1");
  serve(script_->address());
  EXPECT_EQ(ask(query_for("www.example.org")).status, AttemptStatus::kReply);
}

}  // namespace
}  // namespace meshdns::dns
