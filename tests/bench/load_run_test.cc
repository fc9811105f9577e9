#include "bench/load_run.h"

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <poll.h>
#include <span>
#include <stdexcept>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "bench/answer_check.h"
#include "bench/load_socket.h"
#include "bench/names_file.h"
#include "bench/query_feed.h"
#include "bench/query_stream.h"

namespace meshdns::bench {
namespace {

// A server on a thread of its own that calls `change` on each query and sends it back, unless that
// says false.
class Responder {
 public:
  using Change = std::function<bool(std::span<std::uint8_t>)>;

  explicit Responder(Change change)
      : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)), change_(std::move(change)) {
    sockaddr_storage storage{};
    const auto length = static_cast<socklen_t>(
        SocketAddress{.ip = IpAddress(std::array<std::uint8_t, 4>{127, 0, 0, 1})}.to_sockaddr(
            storage));
    // NOLINTBEGIN(cppcoreguidelines-pro-type-reinterpret-cast): how sockets take addresses.
    if (bind(fd_.get(), reinterpret_cast<const sockaddr*>(&storage), length) != 0) {
      throw std::runtime_error("bind");
    }
    socklen_t size = sizeof storage;
    getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&storage), &size);
    address_ = SocketAddress::from_sockaddr(reinterpret_cast<const sockaddr&>(storage))
                   .value_or(SocketAddress{});
    // NOLINTEND(cppcoreguidelines-pro-type-reinterpret-cast)
    thread_ = std::thread([this] { serve(); });
  }
  Responder(const Responder&) = delete;
  Responder& operator=(const Responder&) = delete;
  Responder(Responder&&) = delete;
  Responder& operator=(Responder&&) = delete;
  ~Responder() {
    stopping_ = true;
    thread_.join();
  }

  [[nodiscard]] const SocketAddress& address() const { return address_; }

 private:
  void serve() {
    while (!stopping_) {
      pollfd waited{.fd = fd_.get(), .events = POLLIN, .revents = 0};
      if (poll(&waited, 1, 10) <= 0) {
        continue;
      }
      std::array<std::uint8_t, 2048> buffer{};
      sockaddr_storage client{};
      socklen_t length = sizeof client;
      // NOLINTBEGIN(cppcoreguidelines-pro-type-reinterpret-cast): how sockets take addresses.
      auto* address = reinterpret_cast<sockaddr*>(&client);
      // NOLINTEND(cppcoreguidelines-pro-type-reinterpret-cast)
      const ssize_t size = recvfrom(fd_.get(), buffer.data(), buffer.size(), 0, address, &length);
      if (size > 0 && change_(std::span(buffer).first(static_cast<std::size_t>(size)))) {
        sendto(fd_.get(), buffer.data(), static_cast<std::size_t>(size), 0, address, length);
      }
    }
  }

  UniqueFd fd_;
  Change change_;
  SocketAddress address_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

bool echo(std::span<std::uint8_t> query) {
  query[2] |= 0x80;
  return true;
}

NamesFile make_names() {
  NamesFile names;
  for (const char* name : {"a.mesh", "bb.mesh", "ccc.mesh", "dddd.mesh"}) {
    names.present.push_back({name_to_wire(name).value_or(std::vector<std::uint8_t>()), {}, {}});
  }
  return names;
}

TEST(SaturatedRun, GetsEveryAnswerOfACompleteStream) {
  const Responder responder(echo);
  const NamesFile names = make_names();
  const auto stream = make_complete_stream(names, {});
  AnswerCheck check(CheckDepth::kEcho, &names);

  const auto result = run_saturated(
      {.server = responder.address(), .duration = std::chrono::seconds(30)}, *stream, check);

  ASSERT_TRUE(result);
  EXPECT_TRUE(result->stream_ended);
  EXPECT_EQ(result->sent, 12U);
  EXPECT_EQ(result->lost, 0U);
  EXPECT_EQ(check.answers(), 12U);
  EXPECT_EQ(check.mistakes()[0], 12U);
}

TEST(SaturatedRun, StopsAtTheNumberOfQueries) {
  const Responder responder(echo);
  const NamesFile names = make_names();
  const auto stream = make_mixed_stream(names, {});
  AnswerCheck check(CheckDepth::kEcho, &names);

  const auto result = run_saturated({.server = responder.address(),
                                     .sockets = 2,
                                     .duration = std::chrono::seconds(30),
                                     .max_queries = 10 * kMaxBatch},
                                    *stream, check);

  ASSERT_TRUE(result);
  EXPECT_EQ(result->sent, 10 * kMaxBatch);
  EXPECT_EQ(check.answers(), result->sent);
}

TEST(SaturatedRun, CountsUnansweredQueriesAsLost) {
  const Responder responder([](std::span<std::uint8_t>) { return false; });
  const NamesFile names = make_names();
  const auto stream = make_complete_stream(names, {});
  AnswerCheck check(CheckDepth::kEcho, &names);

  const auto result = run_saturated({.server = responder.address(),
                                     .duration = std::chrono::seconds(30),
                                     .timeout = std::chrono::milliseconds(30)},
                                    *stream, check);

  ASSERT_TRUE(result);
  EXPECT_EQ(result->lost, 12U);
  EXPECT_EQ(check.answers(), 0U);
}

TEST(SaturatedRun, DoesNotTakeAnAnswerWithAnIdOfAnEarlierGeneration) {
  const Responder responder([](std::span<std::uint8_t> query) {
    query[0] ^= 0xff;
    return echo(query);
  });
  const NamesFile names = make_names();
  const auto stream = make_complete_stream(names, {});
  AnswerCheck check(CheckDepth::kEcho, &names);

  const auto result = run_saturated({.server = responder.address(),
                                     .duration = std::chrono::seconds(30),
                                     .timeout = std::chrono::milliseconds(30)},
                                    *stream, check);

  ASSERT_TRUE(result);
  EXPECT_EQ(result->lost, 12U);
  EXPECT_EQ(check.answers(), 0U);
}

TEST(SingleRun, SendsEveryQueryByItselfAndTakesEachLatency) {
  const Responder responder(echo);
  const NamesFile names = make_names();
  const auto stream = make_complete_stream(names, {});
  AnswerCheck check(CheckDepth::kEcho, &names);

  const auto result = run_singly({.server = responder.address(),
                                  .sockets = 3,
                                  .slots = 1,
                                  .duration = std::chrono::seconds(30),
                                  .timeout = std::chrono::seconds(30)},
                                 *stream, check);

  ASSERT_TRUE(result);
  EXPECT_TRUE(result->stream_ended);
  EXPECT_EQ(result->sent, 12U);
  EXPECT_EQ(result->lost, 0U);
  EXPECT_EQ(check.mistakes()[0], 12U);
  EXPECT_EQ(result->latency_ns.size(), 12U);
}

TEST(SingleRun, HasNoMoreInFlightThanItWasTold) {
  std::atomic<int> seen = 0;
  const Responder responder([&seen](std::span<std::uint8_t>) {
    ++seen;
    return false;
  });
  const NamesFile names = make_names();
  const auto stream = make_mixed_stream(names, {});
  AnswerCheck check(CheckDepth::kEcho, &names);

  const auto result = run_singly({.server = responder.address(),
                                  .sockets = 3,
                                  .slots = 2,
                                  .duration = std::chrono::milliseconds(50),
                                  .timeout = std::chrono::milliseconds(500)},
                                 *stream, check);

  ASSERT_TRUE(result);
  EXPECT_EQ(result->sent, 6U);
  EXPECT_EQ(result->lost, 6U);
  EXPECT_LE(seen, 6);
}

TEST(SingleRun, AsksAgainFromASocketWhoseAnswersWereLost) {
  std::atomic<int> seen = 0;
  const Responder responder(
      [&seen](std::span<std::uint8_t> query) { return ++seen > 2 && echo(query); });
  const NamesFile names = make_names();
  const auto stream = make_complete_stream(names, {});
  AnswerCheck check(CheckDepth::kEcho, &names);

  const auto result = run_singly({.server = responder.address(),
                                  .sockets = 2,
                                  .slots = 1,
                                  .duration = std::chrono::seconds(30),
                                  .timeout = std::chrono::milliseconds(200)},
                                 *stream, check);

  ASSERT_TRUE(result);
  EXPECT_EQ(result->sent, 12U);
  EXPECT_EQ(result->lost, 2U);
  EXPECT_EQ(check.answers(), 10U);
}

TEST(SingleRun, DoesNotCountTheWaitForLostAnswersAsItsTime) {
  std::atomic<int> seen = 0;
  const Responder responder(
      [&seen](std::span<std::uint8_t> query) { return ++seen < 12 && echo(query); });
  const NamesFile names = make_names();
  const auto stream = make_complete_stream(names, {});
  AnswerCheck check(CheckDepth::kEcho, &names);
  const auto timeout = std::chrono::seconds(2);

  const auto result = run_singly({.server = responder.address(),
                                  .sockets = 1,
                                  .slots = 1,
                                  .duration = std::chrono::seconds(30),
                                  .timeout = timeout},
                                 *stream, check);

  ASSERT_TRUE(result);
  EXPECT_EQ(result->lost, 1U);
  EXPECT_LT(result->elapsed, timeout);
}

TEST(RateRun, AsksForAsManyAsAreDueAndTakesEachLatency) {
  const Responder responder(echo);
  const NamesFile names = make_names();
  const auto stream = make_mixed_stream(names, {});
  AnswerCheck check(CheckDepth::kEcho, &names);

  const auto result = run_at_rate({.server = responder.address(),
                                   .slots = 1024,
                                   .duration = std::chrono::milliseconds(100),
                                   .timeout = std::chrono::seconds(30)},
                                  1000, *stream, check);

  ASSERT_TRUE(result);
  EXPECT_EQ(result->sent, 100U);
  EXPECT_EQ(result->skipped, 0U);
  EXPECT_EQ(check.answers(), 100U);
  EXPECT_EQ(result->latency_ns.size(), 100U);
}

TEST(LoadSocket, TellsWhenTheKernelHadAnAnswerHoweverLateItIsTaken) {
  const Responder responder(echo);
  const NamesFile names = make_names();
  const auto stream = make_complete_stream(names, {});
  auto socket = LoadSocket::open(responder.address(), 1, Arrivals::kTold);
  ASSERT_TRUE(socket);
  SingleQueries queries(*stream);
  QueryBatch* const query = queries.next();
  ASSERT_NE(query, nullptr);
  const Instant asked_at = Clock::now();
  ASSERT_TRUE(socket->send(*query, asked_at));
  pollfd waited{.fd = socket->fd(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(poll(&waited, 1, 60'000), 1);
  const Instant readable_at = Clock::now();

  std::size_t answers = 0;
  EXPECT_EQ(socket->receive([&](const AskedQuery& /*asked*/, Instant sent_at, Instant came_at,
                                std::span<const std::uint8_t> /*octets*/) {
    ++answers;
    EXPECT_EQ(sent_at, asked_at);
    EXPECT_GE(came_at, asked_at);
    EXPECT_LE(came_at, readable_at);
  }),
            1U);
  EXPECT_EQ(answers, 1U);
}

TEST(RateRun, SkipsWhatIsDueWhileEverySlotIsTaken) {
  const Responder responder([](std::span<std::uint8_t>) { return false; });
  const NamesFile names = make_names();
  const auto stream = make_mixed_stream(names, {});
  AnswerCheck check(CheckDepth::kEcho, &names);

  const auto result = run_at_rate({.server = responder.address(),
                                   .sockets = 1,
                                   .slots = 16,
                                   .duration = std::chrono::milliseconds(50),
                                   .timeout = std::chrono::milliseconds(500)},
                                  1000, *stream, check);

  ASSERT_TRUE(result);
  EXPECT_EQ(result->sent, 16U);
  EXPECT_EQ(result->skipped, 34U);
  EXPECT_EQ(result->lost, 16U);
}

}  // namespace
}  // namespace meshdns::bench
