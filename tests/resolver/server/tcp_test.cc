// TCP as RFC 7766 asks and as bad clients use it, through real connections.
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <poll.h>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "base/unique_fd.h"
#include "resolver/server/dns_server.h"
#include "resolver/server/tcp_connection.h"
#include "tests/resolver/server/server_fixture.h"
#include "tests/support/dns_client.h"
#include "tests/support/faulty_socket_layer.h"
#include "tests/support/forward_plan.h"
#include "tests/support/scripted_upstream.h"
#include "tests/support/wait_until.h"

namespace meshdns::dns {
namespace {

using std::chrono::milliseconds;
using support::DnsTransport;
using support::ScriptedUpstream;
using support::UpstreamQuery;
using ::testing::HasSubstr;

using Octets = std::vector<std::uint8_t>;

Octets framed(const Octets& message) {
  Octets frame = {static_cast<std::uint8_t>(message.size() >> 8U),
                  static_cast<std::uint8_t>(message.size())};
  frame.insert(frame.end(), message.begin(), message.end());
  return frame;
}

void write_all(int socket, const Octets& octets) {
  std::size_t sent = 0;
  while (sent < octets.size()) {
    const ssize_t count = ::send(socket, octets.data() + sent, octets.size() - sent, MSG_NOSIGNAL);
    ASSERT_GT(count, 0);
    sent += static_cast<std::size_t>(count);
  }
}

// Whether the server closes within the bound; whatever arrives before is thrown away.
bool is_closed_by_server(int socket, milliseconds bound = support::kHangBound) {
  const auto end = std::chrono::steady_clock::now() + bound;
  for (;;) {
    const auto left =
        std::chrono::duration_cast<milliseconds>(end - std::chrono::steady_clock::now());
    pollfd entry{.fd = socket, .events = POLLIN, .revents = 0};
    if (left.count() <= 0 || ::poll(&entry, 1, static_cast<int>(left.count())) == 0) {
      return false;
    }
    std::array<std::uint8_t, 65536> sink{};
    if (::recv(socket, sink.data(), sink.size(), 0) <= 0) {
      return true;
    }
  }
}

class TcpTest : public ServerFixture {
 protected:
  [[nodiscard]] UniqueFd connect() const {
    return support::connect_socket(server(), DnsTransport::kTcp);
  }
  [[nodiscard]] bool is_answered(const UniqueFd& connection) const {
    return support::send_message(connection.get(), DnsTransport::kTcp,
                                 support::encode({.name = "backend.mesh"})) &&
           support::receive_message(connection.get(), DnsTransport::kTcp).has_value();
  }
  // Until the server has as many connections as that.
  [[nodiscard]] bool wait_for_connections(int count) const {
    const std::string line = "meshdns_tcp_connections " + std::to_string(count) + "\n";
    return support::wait_until([&] { return metrics().find(line) != std::string::npos; });
  }
};

TEST_F(TcpTest, AnswersPipelinedQueries) {
  start();
  const UniqueFd connection = connect();
  Octets stream;
  std::set<std::uint16_t> ids;
  for (std::uint16_t id = 1; id <= 60; ++id) {
    const Octets frame = framed(support::encode({.name = "backend.mesh", .id = id}));
    stream.insert(stream.end(), frame.begin(), frame.end());
    ids.insert(id);
  }
  write_all(connection.get(), stream);
  for (int i = 0; i < 60; ++i) {
    const auto reply = support::receive_message(connection.get(), DnsTransport::kTcp);
    ASSERT_TRUE(reply.has_value());
    ids.erase(support::DnsReply::decode(*reply).value().message().id);
  }
  EXPECT_TRUE(ids.empty());
}

TEST_F(TcpTest, AnswersOutOfOrder) {
  DnsServer::Options options = default_options();
  options.worker.resolver.forward.turn = std::chrono::seconds(30);
  start(options);
  std::atomic<bool> go{false};
  const ScriptedUpstream slow([&](const UpstreamQuery& query) -> std::vector<Octets> {
    EXPECT_TRUE(support::wait_until([&] { return go.load(); }));
    return {support::make_reply(query, "NOERROR", {query.name + " 60 IN A 192.0.2.1"})};
  });
  server_->set_plan(support::plan_of({slow.address()}));
  const UniqueFd connection = connect();
  write_all(connection.get(), framed(support::encode({.name = "www.example.org", .id = 1})));
  ASSERT_TRUE(support::wait_until([&] { return server_->in_flight() == 1; }));
  write_all(connection.get(), framed(support::encode({.name = "backend.mesh", .id = 2})));
  EXPECT_EQ(support::receive_message(connection.get(), DnsTransport::kTcp).value()[1], 2);
  go = true;
  EXPECT_EQ(support::receive_message(connection.get(), DnsTransport::kTcp).value()[1], 1);
}

TEST_F(TcpTest, TakesAQueryInSingleOctets) {
  start();
  const UniqueFd connection = connect();
  for (const std::uint8_t octet : framed(support::encode({.name = "backend.mesh"}))) {
    write_all(connection.get(), {octet});
  }
  EXPECT_TRUE(support::receive_message(connection.get(), DnsTransport::kTcp).has_value());
}

TEST_F(TcpTest, WritesLengthAndMessageAtOnce) {
  sockets_.set_fault([this](const support::SocketCall& call) {
    fault_count_ += call.step == support::SocketStep::kSend ? 1 : 0;
    return 0;
  });
  start();
  EXPECT_TRUE(is_answered(connect()));
  EXPECT_EQ(fault_count_, 1);
}

TEST_F(TcpTest, AnswersAfterAHalfClose) {
  start();
  const ScriptedUpstream upstream(support::always_address("192.0.2.1"));
  server_->set_plan(support::plan_of({upstream.address()}));
  const UniqueFd connection = connect();
  Octets stream = framed(support::encode({.name = "backend.mesh"}));
  const Octets forwarded = framed(support::encode({.name = "www.example.org"}));
  stream.insert(stream.end(), forwarded.begin(), forwarded.end());
  stream.insert(stream.end(), {0, 40, 1, 2, 3});  // half a frame, which will never be whole
  write_all(connection.get(), stream);
  ::shutdown(connection.get(), SHUT_WR);
  EXPECT_TRUE(support::receive_message(connection.get(), DnsTransport::kTcp).has_value());
  EXPECT_TRUE(support::receive_message(connection.get(), DnsTransport::kTcp).has_value());
  EXPECT_TRUE(is_closed_by_server(connection.get()));
  EXPECT_TRUE(wait_for_connections(0));
}

TEST_F(TcpTest, ClosesAnIdleConnection) {
  start();
  const UniqueFd connection = connect();
  ASSERT_TRUE(is_answered(connection));
  clock_.advance(std::chrono::milliseconds(9'900));
  ASSERT_TRUE(is_answered(connection));
  clock_.advance(std::chrono::milliseconds(9'900));
  EXPECT_FALSE(is_closed_by_server(connection.get(), milliseconds(50)));
  clock_.advance(std::chrono::milliseconds(200));
  EXPECT_TRUE(is_closed_by_server(connection.get()));
  EXPECT_THAT(metrics(), HasSubstr("meshdns_tcp_closed_total{reason=\"timeout\"} 1\n"));
}

TEST_F(TcpTest, DoesNotTakeNonsenseForActivity) {
  start();
  const UniqueFd connection = connect();
  ASSERT_TRUE(wait_for_connections(1));
  for (int i = 0; i < 11; ++i) {
    write_all(connection.get(), {0, 0, 0, 3, 1, 2, 3});
    clock_.advance(std::chrono::seconds(1));
  }
  EXPECT_TRUE(is_closed_by_server(connection.get()));
}

TEST_F(TcpTest, ClosesAConnectionThatDripsAFrame) {
  start();
  const UniqueFd connection = connect();
  ASSERT_TRUE(is_answered(connection));
  const Octets frame = framed(support::encode({.name = "backend.mesh"}));
  std::size_t dripped = 0;
  // Two seconds an octet: never idle for long, and yet ten seconds bound the whole frame.
  while (dripped < 8 && !is_closed_by_server(connection.get(), milliseconds(30))) {
    write_all(connection.get(), {frame[dripped++]});
    if (dripped == 1) {
      // The frame's time begins when the server has seen its first octet.
      ASSERT_FALSE(is_closed_by_server(connection.get(), milliseconds(200)));
    }
    clock_.advance(std::chrono::seconds(2));
  }
  EXPECT_TRUE(is_closed_by_server(connection.get()));
  EXPECT_LE(dripped, 6U);
}

TEST_F(TcpTest, KeepsAConnectionWhoseAnswersAreStillToCome) {
  DnsServer::Options options = default_options();
  options.worker.resolver.forward.turn = std::chrono::seconds(30);
  start(options);
  const ScriptedUpstream silent(support::silence());
  server_->set_plan(support::plan_of({silent.address()}));
  const UniqueFd connection = connect();
  write_all(connection.get(), framed(support::encode({.name = "www.example.org"})));
  ASSERT_TRUE(support::wait_until([&] { return server_->in_flight() == 1; }));
  clock_.advance(std::chrono::seconds(60));
  EXPECT_FALSE(is_closed_by_server(connection.get(), milliseconds(50)));
}

TEST_F(TcpTest, WaitsForAClientThatReadsLateAndLosesNothing) {
  start();
  constexpr int kQueries = 3000;  // some 5 MiB of answers
  const UniqueFd connection = connect();
  Octets stream;
  for (int i = 0; i < kQueries; ++i) {
    const Octets frame = framed(support::encode({.name = "many.mesh"}));
    stream.insert(stream.end(), frame.begin(), frame.end());
  }
  std::thread writer([&] { write_all(connection.get(), stream); });
  int replies = 0;
  while (replies < kQueries &&
         support::receive_message(connection.get(), DnsTransport::kTcp).has_value()) {
    ++replies;
  }
  writer.join();
  EXPECT_EQ(replies, kQueries);
}

TEST_F(TcpTest, AnswersOthersAmongTheLargeAnswersOfOne) {
  constexpr int kQueries = 585;  // what one read takes, and some 900 KiB of answers
  std::atomic<int> sends{0};
  std::atomic<int> sends_before{0};
  UniqueFd other;
  const Octets question = support::encode({.name = "backend.mesh"});
  sockets_.set_fault([&](const support::SocketCall& call) {
    if (call.step == support::SocketStep::kSend && ++sends == 1) {
      ::send(other.get(), question.data(), question.size(), 0);
    } else if (call.step == support::SocketStep::kSendBatch) {
      sends_before = sends.load();
    }
    return 0;
  });
  start();
  other = support::connect_socket(server(), DnsTransport::kUdp);
  const UniqueFd connection = connect();
  Octets stream;
  for (int i = 0; i < kQueries; ++i) {
    const Octets frame = framed(support::encode({.name = "many.mesh"}));
    stream.insert(stream.end(), frame.begin(), frame.end());
  }
  write_all(connection.get(), stream);
  for (int i = 0; i < kQueries; ++i) {
    ASSERT_TRUE(support::receive_message(connection.get(), DnsTransport::kTcp).has_value());
  }
  EXPECT_TRUE(support::receive_message(other.get(), DnsTransport::kUdp).has_value());
  EXPECT_LE(sends_before, 3) << "of " << sends;
}

TEST_F(TcpTest, EndsAConnectionThatReadsNothing) {
  start();
  const UniqueFd connection = connect();
  Octets stream;
  for (int i = 0; i < 5000; ++i) {
    const Octets frame = framed(support::encode({.name = "many.mesh"}));
    stream.insert(stream.end(), frame.begin(), frame.end());
  }
  // The server stops reading; what the kernel takes no more is of no matter.
  ::send(connection.get(), stream.data(), stream.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  EXPECT_EQ(ask("backend.mesh", DnsTransport::kTcp), "244.0.0.1") << "others are served";
  EXPECT_TRUE(support::wait_until([&] {
    clock_.advance(std::chrono::seconds(1));
    return metrics().find("meshdns_tcp_connections 0\n") != std::string::npos;
  }));
}

TEST_F(TcpTest, EndsAConnectionWhoseForwardedAnswersPileUp) {
  DnsServer::Options options = default_options();
  options.worker.resolver.forward.turn = std::chrono::seconds(30);
  options.worker.resolver.forward.total_timeout = std::chrono::seconds(30);
  start(options);
  const ScriptedUpstream upstream([](const UpstreamQuery& query) -> std::vector<Octets> {
    if (query.transport == DnsTransport::kUdp) {
      return {support::make_reply(query, "NOERROR", {}, support::Truncated::kYes)};
    }
    std::vector<std::string> records;
    for (int i = 0; i < 240; ++i) {
      records.push_back(query.name + " 60 IN TXT \"" + std::string(240, 'x') + "\"");
    }
    return {support::make_reply(query, "NOERROR", records)};
  });
  server_->set_plan(support::plan_of({upstream.address()}));
  const UniqueFd connection = connect();
  const int small_buffer = 65536;
  ::setsockopt(connection.get(), SOL_SOCKET, SO_RCVBUF, &small_buffer, sizeof small_buffer);
  for (std::size_t i = 0; i < TcpConnection::kMaxQuestions; ++i) {
    write_all(connection.get(), framed(support::encode({.name = "large.example.org"})));
  }
  EXPECT_TRUE(support::wait_until([&] {
    return metrics().find("meshdns_tcp_closed_total{reason=\"overflow\"} 1\n") != std::string::npos;
  })) << metrics();
}

// It learns by the end of it that it has to ask again.
TEST_F(TcpTest, EndsAConnectionWhoseForwardedAnswerFails) {
  fault_count_ = 2;  // the question upstream, and the answer
  sockets_.set_fault([this](const support::SocketCall& call) {
    if (call.step == support::SocketStep::kSend && --fault_count_ == 0) {
      throw std::bad_alloc();
    }
    return 0;
  });
  start();
  const ScriptedUpstream upstream(support::always_address("192.0.2.1"));
  server_->set_plan(support::plan_of({upstream.address()}));
  const UniqueFd connection = connect();
  write_all(connection.get(), framed(support::encode({.name = "www.example.org"})));
  EXPECT_TRUE(is_closed_by_server(connection.get(), milliseconds(3000)));
  EXPECT_EQ(ask("www.example.org", DnsTransport::kTcp), "192.0.2.1");
}

TEST_F(TcpTest, PausesReadingWhileManyQuestionsAreOpen) {
  DnsServer::Options options = default_options();
  options.worker.resolver.forward.turn = std::chrono::seconds(30);
  start(options);
  std::atomic<bool> go{false};
  const ScriptedUpstream slow([&](const UpstreamQuery& query) -> std::vector<Octets> {
    EXPECT_TRUE(support::wait_until([&] { return go.load(); }));
    return {support::make_reply(query, "NOERROR", {query.name + " 60 IN A 192.0.2.1"})};
  });
  server_->set_plan(support::plan_of({slow.address()}));
  constexpr std::size_t kQueries = TcpConnection::kMaxQuestions + 50;
  const UniqueFd connection = connect();
  Octets stream;
  for (std::size_t i = 0; i < kQueries; ++i) {
    const Octets frame = framed(support::encode({.name = "www.example.org"}));
    stream.insert(stream.end(), frame.begin(), frame.end());
  }
  write_all(connection.get(), stream);
  ASSERT_TRUE(
      support::wait_until([&] { return server_->in_flight() == TcpConnection::kMaxQuestions; }));
  EXPECT_EQ(ask("backend.mesh", DnsTransport::kTcp), "244.0.0.1");
  EXPECT_EQ(server_->in_flight(), TcpConnection::kMaxQuestions);
  go = true;
  for (std::size_t i = 0; i < kQueries; ++i) {
    ASSERT_TRUE(support::receive_message(connection.get(), DnsTransport::kTcp).has_value()) << i;
  }
}

TEST_F(TcpTest, AsksNoFurtherServerForAClientThatHasGone) {
  DnsServer::Options options = default_options();
  options.worker.resolver.forward.turn = milliseconds(500);
  start(options);
  const ScriptedUpstream first(support::silence());
  const ScriptedUpstream second(support::silence());
  server_->set_plan(support::plan_of({first.address(), second.address()}));
  UniqueFd connection = connect();
  write_all(connection.get(), framed(support::encode({.name = "www.example.org"})));
  ASSERT_TRUE(support::wait_until([&] { return first.queries().size() == 1; }));
  const linger reset{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(connection.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  connection.reset();
  ASSERT_TRUE(wait_for_connections(0));
  ASSERT_TRUE(support::wait_until([&] { return server_->in_flight() == 0; }));
  EXPECT_TRUE(second.queries().empty());
}

TEST_F(TcpTest, LetsTheLongestIdleConnectionMakeWayAtTheLimit) {
  DnsServer::Options options = default_options();
  options.connections = {.total = 3, .per_client = 100};
  start(options);
  std::vector<UniqueFd> connections;
  for (int i = 0; i < 3; ++i) {
    connections.push_back(connect());
    ASSERT_TRUE(is_answered(connections.back()));
    clock_.advance(milliseconds(10));
  }
  ASSERT_TRUE(is_answered(connections[0]));  // now the second is idle longest
  connections.push_back(connect());
  ASSERT_TRUE(is_answered(connections[3]));
  EXPECT_TRUE(is_closed_by_server(connections[1].get()));
  for (const std::size_t kept : {0U, 2U, 3U}) {
    EXPECT_TRUE(is_answered(connections[kept]));
  }
  EXPECT_THAT(metrics(), HasSubstr("meshdns_tcp_closed_total{reason=\"evicted\"} 1\n"));
}

// To a sidecar, loopback is everybody: a program that has many lookups under way is no attacker.
TEST_F(TcpTest, CountsNoConnectionOfTheHostItselfAgainstOneClient) {
  DnsServer::Options options = default_options();
  options.connections = {.total = 100, .per_client = 3};
  start(options);
  std::vector<UniqueFd> connections;
  for (int i = 0; i < 10; ++i) {
    connections.push_back(connect());
    ASSERT_TRUE(is_answered(connections.back()));
  }
  for (const UniqueFd& connection : connections) {
    EXPECT_TRUE(is_answered(connection));
  }
}

TEST_F(TcpTest, LetsAnIdleConnectionAtOneAddressMakeWayForOneAtAnother) {
  DnsServer::Options options = default_options();
  options.connections = {.total = 2, .per_client = 2};
  start(options, {"127.0.0.1", "127.0.0.2"});
  const UniqueFd first = connect();
  const UniqueFd second = connect();
  ASSERT_TRUE(is_answered(first));
  ASSERT_TRUE(is_answered(second));
  const UniqueFd elsewhere =
      support::connect_socket(server_->addresses().at(1), DnsTransport::kTcp);
  EXPECT_TRUE(is_answered(elsewhere));
  EXPECT_THAT(metrics(), HasSubstr("meshdns_tcp_closed_total{reason=\"evicted\"} 1\n"));
}

TEST_F(TcpTest, LetsAConnectionOnHalfAFrameMakeWayWhenNoneIsIdle) {
  DnsServer::Options options = default_options();
  options.connections = {.total = 3, .per_client = 100};
  options.worker.resolver.forward.turn = std::chrono::seconds(30);
  options.worker.resolver.forward.total_timeout = std::chrono::seconds(30);
  start(options);
  const ScriptedUpstream silent(support::silence());
  server_->set_plan(support::plan_of({silent.address()}));
  const UniqueFd working = connect();
  write_all(working.get(), framed(support::encode({.name = "www.example.org"})));
  ASSERT_TRUE(support::wait_until([&] { return server_->in_flight() == 1; }));
  std::vector<UniqueFd> halves;
  for (int i = 0; i < 2; ++i) {
    halves.push_back(connect());
    write_all(halves.back().get(), {0});
  }
  ASSERT_TRUE(wait_for_connections(3));
  const UniqueFd extra = connect();
  EXPECT_TRUE(is_answered(extra));
  EXPECT_FALSE(is_closed_by_server(working.get(), milliseconds(50)));
  EXPECT_THAT(metrics(), HasSubstr("meshdns_tcp_closed_total{reason=\"evicted\"} 1\n"));
}

// A read now and then would keep its place for ever.
TEST_F(TcpTest, LetsASlowReaderMakeWayWhenNoneIsIdle) {
  DnsServer::Options options = default_options();
  options.connections = {.total = 1, .per_client = 100};
  start(options);
  const UniqueFd slow = connect();
  Octets stream;
  for (int i = 0; i < 5000; ++i) {
    const Octets frame = framed(support::encode({.name = "many.mesh"}));
    stream.insert(stream.end(), frame.begin(), frame.end());
  }
  ::send(slow.get(), stream.data(), stream.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  EXPECT_TRUE(support::wait_until([&] {
    clock_.advance(milliseconds(100));
    return is_answered(connect());
  }));
  EXPECT_THAT(metrics(), HasSubstr("meshdns_tcp_closed_total{reason=\"evicted\"} "));
  EXPECT_THAT(metrics(), HasSubstr("meshdns_tcp_closed_total{reason=\"timeout\"} 0\n"));
}

TEST_F(TcpTest, RefusesConnectionsOverTheLimitWhenAllAreAtWork) {
  DnsServer::Options options = default_options();
  options.connections = {.total = 2, .per_client = 100};
  options.worker.resolver.forward.turn = std::chrono::seconds(30);
  options.worker.resolver.forward.total_timeout = std::chrono::seconds(30);
  start(options);
  const ScriptedUpstream silent(support::silence());
  server_->set_plan(support::plan_of({silent.address()}));
  std::vector<UniqueFd> busy;
  for (int i = 0; i < 2; ++i) {
    busy.push_back(connect());
    write_all(busy.back().get(),
              framed(support::encode({.name = "www" + std::to_string(i) + ".example.org"})));
  }
  ASSERT_TRUE(support::wait_until([&] { return server_->in_flight() == 2; }));
  const UniqueFd extra = connect();
  EXPECT_TRUE(is_closed_by_server(extra.get()));
  EXPECT_THAT(metrics(), HasSubstr("meshdns_tcp_closed_total{reason=\"limit\"} 1\n"));
  EXPECT_EQ(ask("backend.mesh"), "244.0.0.1") << "UDP goes on";
}

TEST_F(TcpTest, WaitsWhenDescriptorsRunOutAndRecovers) {
  fault_error_ = EMFILE;
  sockets_.set_fault([this](const support::SocketCall& call) {
    const int error = call.step == support::SocketStep::kAccept ? fault_error_.load() : 0;
    fault_count_ += error != 0 ? 1 : 0;
    return error;
  });
  start();
  const UniqueFd connection = connect();
  ASSERT_TRUE(support::wait_until([&] { return fault_count_ >= 3; }));
  EXPECT_EQ(ask("backend.mesh"), "244.0.0.1") << "UDP goes on";
  fault_error_ = 0;
  EXPECT_TRUE(is_answered(connection));
  EXPECT_THAT(metrics(), ::testing::Not(HasSubstr("meshdns_tcp_accept_failures_total 0\n")));
}

// accept(2) says that there are no descriptors before it looks whether there is a connection.
TEST_F(TcpTest, ClosesNobodyWhenNobodyWaitsForTheDescriptor) {
  const auto accepts_left = std::make_shared<std::atomic<int>>(1000);  // the server outlives us
  sockets_.set_fault([this, accepts_left](const support::SocketCall& call) {
    const bool is_out = call.step == support::SocketStep::kAccept && (*accepts_left)-- <= 0;
    fault_count_ += is_out ? 1 : 0;
    return is_out ? EMFILE : 0;
  });
  start();
  const UniqueFd first = connect();
  ASSERT_TRUE(is_answered(first));
  *accepts_left = 1;
  const UniqueFd second = connect();
  ASSERT_TRUE(support::wait_until([&] { return fault_count_ >= 1; }));
  EXPECT_TRUE(is_answered(second));
  EXPECT_TRUE(is_answered(first));
}

TEST_F(TcpTest, ServesUdpAmongManyIdleConnections) {
  start();
  std::vector<UniqueFd> connections;
  for (int i = 0; i < 200; ++i) {
    connections.push_back(connect());
  }
  EXPECT_EQ(ask("backend.mesh"), "244.0.0.1");
  EXPECT_TRUE(is_answered(connections.front()));
  EXPECT_TRUE(is_answered(connections.back()));
}

TEST_F(TcpTest, SurvivesResetsAtAnyMoment) {
  start();
  const ScriptedUpstream upstream(support::always_address("192.0.2.1"));
  server_->set_plan(support::plan_of({upstream.address()}));
  const Octets local = framed(support::encode({.name = "many.mesh"}));
  const Octets forwarded = framed(support::encode({.name = "www.example.org"}));
  for (std::size_t i = 0; i < 200; ++i) {
    const UniqueFd connection = connect();
    Octets stream = local;
    stream.insert(stream.end(), forwarded.begin(), forwarded.end());
    stream.resize(i % (stream.size() + 1));
    if (!stream.empty()) {
      write_all(connection.get(), stream);
    }
    const linger reset{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(connection.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  }
  EXPECT_TRUE(wait_for_connections(0));
  EXPECT_EQ(ask("backend.mesh", DnsTransport::kTcp), "244.0.0.1");
}

}  // namespace
}  // namespace meshdns::dns
