#include "resolver/forward/stream_upstream.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <semaphore>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "base/metrics.h"
#include "resolver/forward/metrics.h"
#include "resolver/forward/stream_patience.h"
#include "resolver/forward/timer_queue.h"
#include "resolver/forward/tls_client.h"
#include "resolver/forward/upstream.h"
#include "resolver/forward/upstream_server.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "tests/support/dns_message.h"
#include "tests/support/full_listener.h"
#include "tests/support/ldns_judge.h"
#include "tests/support/manual_clock.h"
#include "tests/support/stream_server.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/wait_until.h"

namespace meshdns::dns {
namespace {

using std::chrono::milliseconds;
using support::FullListener;
using support::MessageBytes;
using support::StreamServer;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Message = StreamServer::Message;
using Question = StreamServer::Question;
using Reaction = StreamServer::Reaction;

constexpr milliseconds kLong{60'000};

Query query_for(const std::string& name) {
  Query query;
  EXPECT_EQ(parse_query(support::make_query(name, rrtype::kA), query), ParseStatus::kOk);
  return query;
}

Query read(const Message& octets) {
  Query query;
  EXPECT_EQ(parse_query(octets, query), ParseStatus::kOk);
  return query;
}

// An address for whatever was asked.
Message reply_to(const Question& question, unsigned flags = 0x8180) {
  const Query query = read(question.octets);
  return MessageBytes()
      .header(query.id, flags, 1, 1, 0, 0)
      .octets(query.question())
      .pointer(kHeaderOctets)
      .u16(rrtype::kA)
      .u16(rrclass::kIn)
      .u32(60)
      .u16(4)
      .octets({192, 0, 2, 1})
      .bytes();
}

Reaction answer(const Question& question) { return {.replies = {reply_to(question)}}; }

class StreamUpstreamTest : public ::testing::Test {
 protected:
  void serve(StreamServer::Script script) {
    server_ = std::make_unique<StreamServer>(std::move(script));
    use(server_->address(), nullptr);
  }
  void serve_tls(StreamServer::Script script, const StreamServer::Certificate& certificate,
                 const TlsClient::Options& options) {
    server_ = std::make_unique<StreamServer>(std::move(script), &certificate);
    auto client = TlsClient::create(options);
    ASSERT_TRUE(client) << client.error().message;
    use(server_->address(), *std::move(client));
  }
  void use(const SocketAddress& server, std::shared_ptr<const TlsClient> tls) {
    upstream_ = std::make_unique<StreamUpstream>(
        PreparedServer{.server = {.address = server}, .tls = std::move(tls)},
        StreamUpstream::Environment{.io = io_, .timers = timers_, .log = logs_->logger("dns")},
        metrics_.upstream({.address = server}));
  }
  void begin(const std::string& name, milliseconds deadline = kLong) {
    queries_.push_back(std::make_unique<Query>(query_for(name)));
    upstream_->ask(*queries_.back(), deadline,
                   [this](AttemptResult result) { results_.push_back(std::move(result)); });
  }
  // Time stands still meanwhile.
  template <typename Condition>
  void run_until(Condition condition) {
    const auto bound = std::chrono::steady_clock::now() + support::kHangBound;
    while (!condition() && std::chrono::steady_clock::now() < bound) {
      io_.restart();
      io_.run_for(milliseconds(5));
    }
    ASSERT_TRUE(condition());
  }
  // Runs until so many results are there.
  void await(std::size_t count) {
    run_until([&] { return results_.size() >= count; });
    ASSERT_EQ(results_.size(), count);
  }
  // Until the server has so many questions.
  void await_questions(std::size_t count) {
    run_until([&] { return server_->questions().size() >= count; });
  }
  void await_connections(std::size_t count) {
    run_until([&] { return server_->connections() >= count; });
  }
  // Time goes by; what is due happens when it is due.
  void advance(milliseconds by) {
    constexpr milliseconds kStep{10};
    for (milliseconds passed{0}; passed < by; passed += kStep) {
      clock_.advance(kStep);
      timers_.run_due();
    }
  }
  [[nodiscard]] std::uint64_t silences() {
    return metrics_.upstream({.address = server_->address()}).silences.value();
  }
  AttemptStatus ask(const std::string& name, milliseconds deadline = kLong) {
    results_.clear();
    begin(name, deadline);
    await(1);
    return results_.empty() ? AttemptStatus::kTimeout : results_.front().status;
  }
  std::string write_file(const std::string& content) {
    const std::string path = folder_.path() + "/ca.pem";
    std::ofstream(path) << content;
    return path;
  }

  support::TemporaryDirectory folder_;
  boost::asio::io_context io_;
  support::ManualClock clock_;
  TimerQueue timers_{clock_};
  MetricRegistry registry_;
  ForwardMetrics metrics_{registry_};
  std::unique_ptr<Logs> logs_ = Logs::create({"off", LogFormat::kText}).value();
  std::vector<std::unique_ptr<Query>> queries_;
  std::vector<AttemptResult> results_;
  std::unique_ptr<StreamServer> server_;
  std::unique_ptr<StreamUpstream> upstream_;
};

TEST_F(StreamUpstreamTest, ManyQuestionsShareOneConnection) {
  serve(answer);
  constexpr std::size_t kQuestions = 1000;
  for (std::size_t i = 0; i < kQuestions; ++i) {
    begin("n" + std::to_string(i) + ".example.");
  }
  await(kQuestions);
  EXPECT_THAT(results_, Each(Field(&AttemptResult::status, AttemptStatus::kReply)));
  EXPECT_EQ(server_->connections(), 1);
  std::vector<std::string> names;
  for (const AttemptResult& result : results_) {
    const auto message = support::judge(result.reply);
    ASSERT_TRUE(message);
    names.push_back(message->question.at(0));
  }
  std::ranges::sort(names);
  EXPECT_EQ(std::ranges::unique(names).begin(), names.end()) << "each has its own answer";
}

TEST_F(StreamUpstreamTest, AnswersMayComeInAnyOrder) {
  std::vector<Message> kept;
  serve([&kept](const Question& question) -> Reaction {
    kept.insert(kept.begin(), reply_to(question));
    return question.number == 2 ? Reaction{.replies = kept} : Reaction{};
  });
  for (const std::string name : {"a.example.", "b.example.", "c.example."}) {
    begin(name);
  }
  await(3);
  std::vector<std::string> names;
  for (const AttemptResult& result : results_) {
    names.push_back(support::judge(result.reply).value().question.at(0));
  }
  EXPECT_THAT(names, ElementsAre("c.example. IN A", "b.example. IN A", "a.example. IN A"));
}

TEST_F(StreamUpstreamTest, AConnectionThatDiesTakesNoQuestionWithIt) {
  serve([](const Question& question) -> Reaction {
    if (question.connection == 0) {
      return {.replies = {}, .close = question.number == 4};
    }
    return answer(question);
  });
  for (int i = 0; i < 5; ++i) {
    begin("n" + std::to_string(i) + ".example.");
  }
  await(5);
  EXPECT_THAT(results_, Each(Field(&AttemptResult::status, AttemptStatus::kReply)));
  EXPECT_EQ(server_->connections(), 2);
}

TEST_F(StreamUpstreamTest, AQuestionThatKillsItsConnectionsIsAskedTwiceAndNoMore) {
  serve([](const Question& /*question*/) -> Reaction { return {.replies = {}, .close = true}; });
  EXPECT_EQ(ask("killer.example."), AttemptStatus::kNetworkError);
  EXPECT_EQ(server_->connections(), 2);
  EXPECT_EQ(server_->questions().size(), 2);
}

// A server may close whenever it likes (RFC 7766 section 6.2.3).
TEST_F(StreamUpstreamTest, AServerThatClosesAfterEachAnswerIsAskedOnNewConnections) {
  serve([](const Question& question) -> Reaction {
    return {.replies = {reply_to(question)}, .close = true};
  });
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(ask("n" + std::to_string(i) + ".example."), AttemptStatus::kReply) << i;
  }
  EXPECT_LE(server_->connections(), 40);
}

// As one of RFC 1035 may, and many do after a number of them (128, with those written in Go).
TEST_F(StreamUpstreamTest, AServerThatClosesAfterSomeAnswersAnswersAllWhoAskTogether) {
  for (const std::size_t answers : {1U, 2U, 128U}) {
    SCOPED_TRACE(answers);
    serve([answers](const Question& question) -> Reaction {
      return {.replies = {reply_to(question)}, .close = question.number + 1 == answers};
    });
    results_.clear();
    const std::size_t questions = answers * 12;
    for (std::size_t i = 0; i < questions; ++i) {
      begin("n" + std::to_string(i) + ".example.");
    }
    await(questions);
    EXPECT_THAT(results_, Each(Field(&AttemptResult::status, AttemptStatus::kReply)));
  }
}

// Others, who never cease to ask, are answered on each connection that it ends.
TEST_F(StreamUpstreamTest, AQuestionThatKillsConnectionsDoesNotDoSoForEver) {
  std::atomic<std::size_t> doomed{SIZE_MAX};
  serve([&doomed](const Question& question) -> Reaction {
    if (read(question.octets).qtype == rrtype::kMx) {
      doomed = question.connection;
      return {.replies = {}, .close = question.number != 0};
    }
    return {.replies = {reply_to(question)}, .close = question.connection == doomed};
  });
  std::optional<AttemptStatus> killer;
  std::size_t answered = 0;
  const std::function<void()> ask_on = [&] {
    queries_.push_back(std::make_unique<Query>(query_for("www.example.")));
    upstream_->ask(*queries_.back(), kLong, [&](const AttemptResult& result) {
      answered += result.status == AttemptStatus::kReply ? 1 : 0;
      if (!killer) {
        ask_on();
      }
    });
  };
  queries_.push_back(std::make_unique<Query>(query_for("killer.example.")));
  queries_.back()->qtype = rrtype::kMx;
  upstream_->ask(*queries_.back(), kLong,
                 [&](const AttemptResult& result) { killer = result.status; });
  ask_on();
  ask_on();
  run_until([&] { return killer.has_value(); });
  EXPECT_EQ(killer, AttemptStatus::kNetworkError);
  EXPECT_GE(answered, 2);
  EXPECT_LE(server_->connections(), 20);
}

TEST_F(StreamUpstreamTest, NobodyThereIsANetworkErrorForAllWhoWait) {
  serve(answer);
  const SocketAddress address = server_->address();
  server_.reset();
  use(address, nullptr);
  for (int i = 0; i < 3; ++i) {
    begin("n" + std::to_string(i) + ".example.");
  }
  await(3);
  EXPECT_THAT(results_, Each(Field(&AttemptResult::status, AttemptStatus::kNetworkError)));
}

// Holds back the answers of a server until the test lets one go.
class Gate {
 public:
  Reaction pass(const Question& question) {
    semaphore_.acquire();
    return answer(question);
  }
  void let_go(std::ptrdiff_t count = 1) { semaphore_.release(count); }

 private:
  std::counting_semaphore<> semaphore_{0};
};

class SilentStreamTest : public StreamUpstreamTest {
 protected:
  // Answers on connections from this number on; on earlier ones it says nothing.
  void serve_from(std::size_t connection) {
    serve([connection](const Question& question) {
      return question.connection < connection ? Reaction{} : answer(question);
    });
  }
  // Each answer waits for the test.
  void serve_gated() {
    serve([this](const Question& question) { return gate_.pass(question); });
  }
  void await_mismatches(std::uint64_t count) {
    run_until([&] {
      return metrics_.upstream({.address = server_->address()}).mismatches.value() >= count;
    });
  }
  void TearDown() override { gate_.let_go(1000); }
  // One question, whose answer comes `after` it.
  void ask_slowly(milliseconds after) {
    results_.clear();
    const std::size_t before = server_->questions().size();
    begin("slow" + std::to_string(before) + ".example.");
    await_questions(before + 1);
    advance(after);
    gate_.let_go();
    await(1);
    EXPECT_EQ(results_.front().status, AttemptStatus::kReply);
  }

  Gate gate_;
};

TEST_F(SilentStreamTest, ItsQuestionsAreAskedAgainOnANewConnectionLongBeforeTheirDeadline) {
  serve_from(1);
  for (const std::string name : {"a.example.", "b.example.", "c.example."}) {
    begin(name);
  }
  await_questions(3);
  advance(StreamPatience::kUnknown - milliseconds(10));
  EXPECT_EQ(silences(), 0);
  advance(milliseconds(10));
  await(3);
  EXPECT_THAT(results_, Each(Field(&AttemptResult::status, AttemptStatus::kReply)));
  EXPECT_EQ(server_->connections(), 2);
  EXPECT_EQ(silences(), 1);
}

TEST_F(SilentStreamTest, AQuestionThatMeetsTwoOfThemHasMetANetworkError) {
  serve_from(100);
  begin("www.example.");
  await_questions(1);
  advance(StreamPatience::kUnknown);
  await_questions(2);
  advance(StreamPatience::kLongest - milliseconds(10));
  EXPECT_THAT(results_, IsEmpty());
  advance(milliseconds(10));
  await(1);
  EXPECT_EQ(results_.front().status, AttemptStatus::kNetworkError);
  EXPECT_EQ(server_->connections(), 2) << "nobody waits for a third";
  EXPECT_EQ(silences(), 2);
}

// What was known of the server's answers decides how long it may say nothing.
TEST_F(SilentStreamTest, AConnectionThatDiedUnnoticedCostsAQuickServersQuestionOneSecond) {
  std::atomic<bool> is_dead = false;
  serve([&is_dead](const Question& question) {
    return is_dead && question.connection == 0 ? Reaction{} : answer(question);
  });
  ASSERT_EQ(ask("first.example."), AttemptStatus::kReply);
  is_dead = true;
  results_.clear();
  begin("second.example.");
  await_questions(2);
  advance(StreamPatience::kShortest);
  await(1);
  EXPECT_EQ(results_.front().status, AttemptStatus::kReply);
  EXPECT_EQ(server_->connections(), 2);
}

TEST_F(SilentStreamTest, AServerThatSlowsFromOneToSixHundredMillisecondsKeepsItsConnection) {
  serve_gated();
  for (int i = 0; i < 20; ++i) {
    ask_slowly(milliseconds(10));
  }
  for (int i = 0; i < 20; ++i) {
    ask_slowly(milliseconds(600));
  }
  EXPECT_EQ(server_->connections(), 1);
  EXPECT_EQ(silences(), 0);
}

// Beyond all patience at first, and then known to be slow.
TEST_F(SilentStreamTest, AServerThatSlowsFurtherIsHeardOnItsSecondConnectionAndThenKept) {
  serve_gated();
  ask_slowly(milliseconds(10));
  results_.clear();
  begin("www.example.");
  await_questions(2);
  advance(milliseconds(1200));
  await_questions(3);
  advance(milliseconds(1200));
  gate_.let_go(2);  // on either connection
  await(1);
  EXPECT_EQ(results_.front().status, AttemptStatus::kReply);
  for (int i = 0; i < 10; ++i) {
    ask_slowly(milliseconds(1200));
  }
  EXPECT_EQ(server_->connections(), 2);
}

TEST_F(SilentStreamTest, IsNoticedThoughWhoeverAskedHasGone) {
  serve_from(1);
  begin("gone.example.");
  await_questions(1);
  upstream_->cancel(1);
  advance(StreamPatience::kUnknown);
  EXPECT_EQ(silences(), 1);
  EXPECT_EQ(ask("here.example."), AttemptStatus::kReply);
  EXPECT_EQ(server_->connections(), 2);
}

TEST_F(SilentStreamTest, IsNotOneThatAnswersOthersMeanwhile) {
  serve([](const Question& question) -> Reaction {
    return read(question.octets).name.to_text() == "slow.example." ? Reaction{} : answer(question);
  });
  begin("slow.example.", milliseconds(4500));
  await_questions(1);
  for (int i = 0; i < 9; ++i) {
    advance(milliseconds(500));
    begin("n" + std::to_string(i) + ".example.");
    await(static_cast<std::size_t>(i) + 1 + (i == 8 ? 1 : 0));
  }
  EXPECT_EQ(server_->connections(), 1);
  EXPECT_EQ(silences(), 0);
}

// Octets come all the time, as when the framing is lost, and none of them answers anything.
TEST_F(SilentStreamTest, IsAsBadAsOneThatAnswersNobody) {
  serve([](const Question& question) -> Reaction {
    Message other_id = reply_to(question);
    other_id[0] ^= 0xffU;
    return question.connection == 0 ? Reaction{.replies = {other_id}} : answer(question);
  });
  begin("first.example.", milliseconds(4500));
  await_mismatches(1);
  for (std::size_t i = 1; i <= 4; ++i) {
    advance(milliseconds(1000));
    begin("n" + std::to_string(i) + ".example.", milliseconds(4500));
    await_mismatches(i + 1);
  }
  EXPECT_EQ(server_->connections(), 1);
  advance(milliseconds(500));
  await(5);
  EXPECT_EQ(std::ranges::count(results_, AttemptStatus::kReply, &AttemptResult::status), 4);
  EXPECT_EQ(server_->connections(), 2);
}

// A question that had no time to be answered says nothing of its connection.
TEST_F(SilentStreamTest, IsNotOneWhoseQuestionHadNoTime) {
  serve_gated();
  ask_slowly(milliseconds(10));
  results_.clear();
  begin("short.example.", milliseconds(100));
  await_questions(2);
  advance(milliseconds(100));
  await(1);
  EXPECT_EQ(results_.front().status, AttemptStatus::kTimeout);
  gate_.let_go();
  ask_slowly(milliseconds(10));
  EXPECT_EQ(server_->connections(), 1);
}

TEST_F(SilentStreamTest, HasSaidNothingWhenItEndsIdle) {
  serve(answer);
  ASSERT_EQ(ask("www.example."), AttemptStatus::kReply);
  advance(milliseconds(60'000));
  EXPECT_EQ(silences(), 0);
  ASSERT_EQ(ask("www.example."), AttemptStatus::kReply);
  EXPECT_EQ(server_->connections(), 2) << "the first was closed";
}

// Nobody accepts: what comes fills the queue of a listening socket, and the kernel drops the rest.
TEST_F(SilentStreamTest, AConnectionThatDoesNotComeAboutIsTriedAnewAndThenGivenUp) {
  const FullListener listener;
  use(listener.address(), nullptr);
  begin("a.example.");
  begin("b.example.");
  advance(StreamPatience::kUnknown + StreamPatience::kLongest - milliseconds(10));
  begin("late.example.");
  io_.restart();
  io_.poll();
  EXPECT_THAT(results_, IsEmpty());
  advance(milliseconds(10));
  await(2);
  EXPECT_THAT(results_, Each(Field(&AttemptResult::status, AttemptStatus::kNetworkError)));
  EXPECT_EQ(upstream_->last_failure(), "no connection comes about");
  advance(StreamPatience::kLongest);
  await(3);
}

TEST_F(StreamUpstreamTest, WhatAnswersNoOpenQuestionIsPassedOver) {
  serve([](const Question& question) -> Reaction {
    Message other_id = reply_to(question);
    other_id[0] ^= 0xffU;
    Message other_name = reply_to(question);
    other_name[kHeaderOctets + 1] = 'x';
    return {.replies = {Message{}, Message{1}, other_id, other_name, question.octets,
                        reply_to(question)}};
  });
  EXPECT_EQ(ask("www.example."), AttemptStatus::kReply);
  EXPECT_EQ(server_->connections(), 1);
}

TEST_F(StreamUpstreamTest, AReplyThatDoesNotParseIsABadOne) {
  serve([](const Question& question) -> Reaction {
    Message reply = reply_to(question);
    reply.pop_back();
    return {.replies = {reply}};
  });
  EXPECT_EQ(ask("www.example."), AttemptStatus::kBadReply);
}

TEST_F(StreamUpstreamTest, AsksWithoutEdnsWhoDoesNotKnowIt) {
  serve([](const Question& question) -> Reaction {
    if (!read(question.octets).has_edns) {
      return answer(question);
    }
    const Query query = read(question.octets);
    return {
        .replies = {
            MessageBytes().header(query.id, 0x8181, 1, 0, 0, 0).octets(query.question()).bytes()}};
  });
  EXPECT_EQ(ask("www.example."), AttemptStatus::kReply);
  EXPECT_EQ(server_->questions().size(), 2);
}

TEST_F(StreamUpstreamTest, AQuestionThatThereIsNoMemoryForIsOverAtOnceAndTheNextIsAsked) {
  serve(answer);
  // The first timer is the question's, the second the connection's.
  for (const int unlucky : {1, 2}) {
    int number = 0;
    timers_.on_earlier([&] {
      if (++number == unlucky) {
        throw std::bad_alloc();
      }
    });
    EXPECT_THROW(begin("www.example.org"), std::bad_alloc);
    advance(kLong + milliseconds(10));
    EXPECT_TRUE(results_.empty()) << "whoever asked may be gone";
    timers_.on_earlier({});
    EXPECT_EQ(ask("next.example.org"), AttemptStatus::kReply);
    results_.clear();
    advance(std::chrono::minutes(1));  // the connection is idle, and closed
  }
}

TEST_F(StreamUpstreamTest, EndsWithQuestionsOpenAndTellsNobody) {
  serve([](const Question& /*question*/) -> Reaction { return {}; });
  begin("www.example.");
  ASSERT_TRUE(support::wait_until([&] {
    io_.restart();
    io_.run_for(milliseconds(5));
    return !server_->questions().empty();
  }));
  upstream_.reset();
  io_.restart();
  io_.run_for(milliseconds(20));
  EXPECT_THAT(results_, IsEmpty());
  EXPECT_EQ(timers_.next(), std::nullopt);
}

class TlsUpstreamTest : public StreamUpstreamTest {
 protected:
  const StreamServer::Certificate certificate_ = StreamServer::make_certificate("dns.example");
};

TEST_F(TlsUpstreamTest, AsksTheServerThatTheCertificateNames) {
  serve_tls(answer, certificate_,
            {.name = "dns.example", .pins = {}, .ca_file = write_file(certificate_.pem)});
  for (int i = 0; i < 50; ++i) {
    begin("n" + std::to_string(i) + ".example.");
  }
  await(50);
  EXPECT_THAT(results_, Each(Field(&AttemptResult::status, AttemptStatus::kReply)));
  EXPECT_EQ(server_->connections(), 1);
  for (const Question& question : server_->questions()) {
    EXPECT_EQ(question.octets.size() % 128, 0) << "RFC 8467: padded";
  }
}

struct Impostor {
  std::string what;
  std::string name;
  bool trusted;
  bool pinned_other;
};

class TlsImpostor : public TlsUpstreamTest, public testing::WithParamInterface<Impostor> {};

// Whoever is not the one that is meant learns nothing of what is asked.
TEST_P(TlsImpostor, IsAskedNothing) {
  const StreamServer::Certificate other = StreamServer::make_certificate("dns.example");
  TlsClient::Options options{.name = GetParam().name, .pins = {}, .ca_file = {}};
  options.ca_file = write_file(GetParam().trusted ? certificate_.pem : other.pem);
  if (GetParam().pinned_other) {
    options.pins.emplace_back();
    std::ranges::copy(other.pin, options.pins[0].begin());
  }
  serve_tls(answer, certificate_, options);
  EXPECT_EQ(ask("secret.example."), AttemptStatus::kNetworkError);
  EXPECT_THAT(server_->questions(), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Rows, TlsImpostor,
                         testing::Values(Impostor{"AnotherName", "other.example", true, false},
                                         Impostor{"ANameAbove", "example", true, false},
                                         Impostor{"AnotherAuthority", "dns.example", false, false},
                                         Impostor{"AnotherKey", "dns.example", true, true},
                                         Impostor{"AnotherKeyAndNoName", "", true, true}),
                         [](const auto& row) { return row.param.what; });

TEST_F(TlsUpstreamTest, APinAloneIsEnough) {
  TlsClient::Options options;
  options.pins.emplace_back();
  std::ranges::copy(certificate_.pin, options.pins[0].begin());
  serve_tls(answer, certificate_, options);
  EXPECT_EQ(ask("www.example."), AttemptStatus::kReply);
}

TEST_F(TlsUpstreamTest, AServerWithoutTlsIsAskedNothing) {
  const StreamServer plain(answer);
  auto client = TlsClient::create(
      {.name = "dns.example", .pins = {}, .ca_file = write_file(certificate_.pem)});
  ASSERT_TRUE(client);
  use(plain.address(), *client);
  begin("secret.example.");
  run_until([&] { return plain.connections() == 1; });
  advance(StreamPatience::kUnknown);
  run_until([&] { return plain.connections() == 2; });
  advance(StreamPatience::kLongest);
  await(1);
  EXPECT_EQ(results_.front().status, AttemptStatus::kNetworkError);
  for (const Question& question : plain.questions()) {
    EXPECT_THAT(std::string(question.octets.begin(), question.octets.end()),
                testing::Not(HasSubstr("secret")));
  }
}

TEST_F(TlsUpstreamTest, AConnectionThatDiesTakesNoQuestionWithIt) {
  serve_tls(
      [](const Question& question) -> Reaction {
        return question.connection == 0 ? Reaction{.replies = {}, .close = true} : answer(question);
      },
      certificate_, {.name = "dns.example", .pins = {}, .ca_file = write_file(certificate_.pem)});
  EXPECT_EQ(ask("www.example."), AttemptStatus::kReply);
  EXPECT_EQ(server_->connections(), 2);
}

TEST(TlsClient, SaysWhatItLacks) {
  EXPECT_THAT(TlsClient::create({}).error().message, HasSubstr("a name or a pin"));
  EXPECT_THAT(
      TlsClient::create({.name = "x", .pins = {}, .ca_file = "/nowhere/ca.pem"}).error().message,
      HasSubstr("/nowhere/ca.pem"));
}

// Nothing is waited for.
TEST(TlsClient, TakesNoAuthoritiesFromWhatIsNoFile) {
  const support::TemporaryDirectory folder;
  const std::string fifo = folder.file("fifo");
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  for (const std::string& path : {fifo, folder.path(), std::string("/dev/zero")}) {
    const auto client = TlsClient::create({.name = "x", .pins = {}, .ca_file = path});
    ASSERT_FALSE(client) << path;
    EXPECT_THAT(client.error().message, HasSubstr(path));
  }
}

TEST(Pin, IsReadFromBase64) {
  const auto pin = parse_pin("sha256/AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
  ASSERT_TRUE(pin);
  for (std::size_t i = 0; i < pin->size(); ++i) {
    EXPECT_EQ(pin->at(i), i);
  }
  for (const std::string text : {"", "sha256/", "sha1/AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
                                 "sha256/AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
                                 "sha256/AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdH===",
                                 "sha256/AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8==",
                                 "sha256/AA*CAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}) {
    EXPECT_FALSE(parse_pin(text)) << text;
  }
}

}  // namespace
}  // namespace meshdns::dns
