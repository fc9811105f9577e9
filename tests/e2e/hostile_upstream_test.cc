// Upstream servers over TCP whose replies come in pieces, or end in the middle.
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <poll.h>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "tests/support/dns_client.h"
#include "tests/support/dns_message.h"
#include "tests/support/programs.h"
#include "tests/support/scripted_upstream.h"
#include "tests/support/stop_signal.h"

namespace meshdns::support {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;

// How the octets of a reply leave, its length before it among them.
struct Delivery {
  std::size_t at_once = 1;
  milliseconds pause{0};                                       // after each piece
  std::size_t most = std::numeric_limits<std::size_t>::max();  // then the connection ends
};

// A name server over TCP that has one address for every name, and delivers each reply as its plan
// says for the connection, of which the first is 0. One connection at a time.
class PiecewiseServer {
 public:
  using Plan = std::function<Delivery(std::size_t connection)>;

  PiecewiseServer(std::uint8_t last_octet, Plan plan)
      : last_octet_(last_octet),
        plan_(std::move(plan)),
        listener_(bind_socket(loopback(0), DnsTransport::kTcp)),
        thread_([this] { serve(); }) {}
  PiecewiseServer(const PiecewiseServer&) = delete;
  PiecewiseServer& operator=(const PiecewiseServer&) = delete;
  ~PiecewiseServer() { stop_.stop(thread_); }

  [[nodiscard]] std::string address() const {
    return loopback(port_of(listener_.get())).to_string();
  }
  [[nodiscard]] std::size_t connections() const { return connections_; }

 private:
  // False when the test is over.
  [[nodiscard]] bool wait_for(int socket) const {
    std::vector<pollfd> both{{.fd = socket, .events = POLLIN, .revents = 0},
                             {.fd = stop_.descriptor(), .events = POLLIN, .revents = 0}};
    while (::poll(both.data(), both.size(), -1) < 0 && errno == EINTR) {
    }
    return both[1].revents == 0;
  }
  [[nodiscard]] bool pause(milliseconds time) const {
    pollfd stop{.fd = stop_.descriptor(), .events = POLLIN, .revents = 0};
    return ::poll(&stop, 1, static_cast<int>(time.count())) == 0;
  }

  void serve() {
    while (wait_for(listener_.get())) {
      const UniqueFd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      const Delivery delivery = plan_(connections_++);
      while (wait_for(connection.get()) && answer(connection.get(), delivery)) {
      }
    }
  }
  // False when the connection is over.
  [[nodiscard]] bool answer(int connection, const Delivery& delivery) const {
    const auto request = receive_octets(connection, DnsTransport::kTcp);
    const auto reply =
        request ? make_address_reply(*request, {192, 0, 2, last_octet_}) : std::nullopt;
    if (!reply) {
      return false;
    }
    Octets stream{static_cast<std::uint8_t>(reply->size() >> 8U),
                  static_cast<std::uint8_t>(reply->size())};
    stream.insert(stream.end(), reply->begin(), reply->end());
    const std::size_t end = std::min(stream.size(), delivery.most);
    for (std::size_t sent = 0; sent < end;) {
      const std::size_t size = std::min(delivery.at_once, end - sent);
      if (::send(connection, stream.data() + sent, size, MSG_NOSIGNAL) !=
              static_cast<ssize_t>(size) ||
          !pause(delivery.pause)) {
        return false;
      }
      sent += size;
    }
    return end == stream.size();
  }

  const std::uint8_t last_octet_;
  const Plan plan_;
  UniqueFd listener_;
  StopSignal stop_;
  std::atomic<std::size_t> connections_{0};
  std::thread thread_;
};

class HostileUpstream : public testing::Test {
 protected:
  // Every question's answer and how long it took.
  struct Outcome {
    std::string address;
    std::string rcode;
    milliseconds took{0};
  };
  [[nodiscard]] Outcome ask_for(const std::string& name) const {
    const auto begin = std::chrono::steady_clock::now();
    const auto reply = ask(resolver_.dns(), {.name = name});
    const auto took =
        std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begin);
    if (!reply) {
      return {.address = "", .rcode = "silence", .took = took};
    }
    const auto data = reply->answer_data("A");
    return {.address = data.empty() ? "" : data.front(), .rcode = reply->rcode(), .took = took};
  }

  ResolverProgram resolver_;
};

TEST_F(HostileUpstream, AReplyThatComesOctetByOctetIsTaken) {
  const PiecewiseServer server(1, [](std::size_t /*connection*/) {
    return Delivery{.at_once = 1, .pause = milliseconds(2)};
  });
  resolver_.start({"--upstream", "tcp://" + server.address()});
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(ask_for("n" + std::to_string(i) + ".example.org").address, "192.0.2.1");
  }
  EXPECT_EQ(server.connections(), 1U);
}

// Within the length, behind it, in the header, before the last octet.
TEST_F(HostileUpstream, AReplyThatIsCutShortIsAskedForAgain) {
  for (const std::size_t most : {1U, 2U, 9U, 40U}) {
    SCOPED_TRACE(most);
    const PiecewiseServer server(1, [most](std::size_t connection) {
      return connection == 0 ? Delivery{.at_once = 100, .most = most} : Delivery{.at_once = 100};
    });
    resolver_.start({"--upstream", "tcp://" + server.address()});
    const Outcome outcome = ask_for("www.example.org");
    EXPECT_EQ(outcome.address, "192.0.2.1") << outcome.rcode;
    EXPECT_EQ(server.connections(), 2U);
  }
}

TEST_F(HostileUpstream, AServerThatCutsEveryReplyShortIsLeftForTheNext) {
  const PiecewiseServer first(
      1, [](std::size_t /*connection*/) { return Delivery{.at_once = 100, .most = 20}; });
  const ScriptedUpstream second(always_address("192.0.2.2"));
  resolver_.start(
      {"--upstream", "tcp://" + first.address(), "--upstream", second.address().to_string()});
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(ask_for("n" + std::to_string(i) + ".example.org").address, "192.0.2.2");
  }
  EXPECT_LE(first.connections(), 20U);
}

// A little at a time, so that it is never silent and never done.
TEST_F(HostileUpstream, AReplyThatNeverEndsHoldsNobodyUp) {
  const PiecewiseServer first(1, [](std::size_t /*connection*/) {
    return Delivery{.at_once = 1, .pause = milliseconds(400)};
  });
  const ScriptedUpstream second(always_address("192.0.2.2"));
  resolver_.start(
      {"--upstream", "tcp://" + first.address(), "--upstream", second.address().to_string()});
  for (int i = 0; i < 10; ++i) {
    const Outcome outcome = ask_for("n" + std::to_string(i) + ".example.org");
    EXPECT_EQ(outcome.address, "192.0.2.2") << outcome.rcode;
    EXPECT_LT(outcome.took, std::chrono::seconds(4));
  }
}

TEST_F(HostileUpstream, WhatATruncatedReplyPromisesAndNeverEndsIsAnError) {
  const PiecewiseServer slow(1, [](std::size_t /*connection*/) {
    return Delivery{.at_once = 1, .pause = milliseconds(400)};
  });
  resolver_.start({"--upstream", "tcp://" + slow.address()});
  const Outcome outcome = ask_for("www.example.org");
  EXPECT_EQ(outcome.rcode, "SERVFAIL");
  EXPECT_LT(outcome.took, std::chrono::seconds(10)) << "under a stub's five, on a quiet machine";
}

}  // namespace
}  // namespace meshdns::support
