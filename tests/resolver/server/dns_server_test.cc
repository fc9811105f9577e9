#include "resolver/server/dns_server.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "resolver/server/access_list.h"
#include "resolver/server/listener.h"
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
using ::testing::SizeIs;

using Octets = std::vector<std::uint8_t>;

class DnsServerTest : public ServerFixture {};

TEST_F(DnsServerTest, AnswersLocalNamesOverUdpAndTcpAndBothFamilies) {
  start(default_options(), {"127.0.0.1", "::1"});
  for (const SocketAddress& address : server_->addresses()) {
    for (const DnsTransport transport : {DnsTransport::kUdp, DnsTransport::kTcp}) {
      const auto reply = support::ask(address, {.name = "backend.mesh"}, transport);
      ASSERT_TRUE(reply.has_value()) << address.to_string();
      EXPECT_THAT(reply->answer_data("A"), ::testing::ElementsAre("244.0.0.1"));
      EXPECT_TRUE(reply->message().aa);
    }
  }
  EXPECT_THAT(metrics(), HasSubstr("meshdns_dns_queries_total{proto=\"udp\"} 2\n"));
  EXPECT_THAT(metrics(), HasSubstr("meshdns_dns_queries_total{proto=\"tcp\"} 2\n"));
  EXPECT_THAT(metrics(),
              HasSubstr("meshdns_dns_answers_total{source=\"local\",rcode=\"NOERROR\"} 4\n"));
}

TEST_F(DnsServerTest, TruncatesOverUdpAndIsWholeOverTcp) {
  start();
  const auto udp = support::ask(server(), {.name = "many.mesh"});
  EXPECT_TRUE(udp.value().message().tc);
  const auto tcp = support::ask(server(), {.name = "many.mesh"}, DnsTransport::kTcp);
  EXPECT_FALSE(tcp.value().message().tc);
  EXPECT_THAT(tcp->answer_data("A"), SizeIs(100));
}

TEST_F(DnsServerTest, ForwardsOtherNames) {
  start();
  const ScriptedUpstream upstream(support::always_address("192.0.2.1"));
  server_->set_plan(support::plan_of({upstream.address()}));
  EXPECT_EQ(ask("www.example.org"), "192.0.2.1");
  EXPECT_EQ(ask("ftp.example.org", DnsTransport::kTcp), "192.0.2.1");
  EXPECT_EQ(ask("nothing.mesh"), "NXDOMAIN");
  EXPECT_THAT(upstream.queries(), SizeIs(2)) << "names of ours never leave";
  EXPECT_THAT(metrics(),
              HasSubstr("meshdns_dns_answers_total{source=\"upstream\",rcode=\"NOERROR\"} 2\n"));
  EXPECT_THAT(metrics(), HasSubstr("meshdns_dns_answer_seconds_count 2\n"));
}

TEST_F(DnsServerTest, TellsAgainWhatItKeepsOverEitherTransport) {
  start();
  const ScriptedUpstream upstream(support::always_address("192.0.2.1"));
  server_->set_plan(support::plan_of({upstream.address()}));
  for (const DnsTransport first : {DnsTransport::kUdp, DnsTransport::kTcp}) {
    const std::string name = first == DnsTransport::kUdp ? "www.example.org" : "ftp.example.org";
    EXPECT_EQ(ask(name, first), "192.0.2.1");
    EXPECT_EQ(ask(name, DnsTransport::kUdp), "192.0.2.1");
    EXPECT_EQ(ask(name, DnsTransport::kTcp), "192.0.2.1");
  }
  EXPECT_THAT(upstream.queries(), SizeIs(2));
  EXPECT_THAT(metrics(),
              HasSubstr("meshdns_dns_answers_total{source=\"cache\",rcode=\"NOERROR\"} 4\n"));
}

TEST_F(DnsServerTest, AsksTheNextServerWhenOneIsDeadSilentOrFailing) {
  start();
  const SocketAddress dead{.ip = IpAddress::parse("127.0.0.1").value(),
                           .port = support::free_port()};
  const ScriptedUpstream silent(support::silence());
  const ScriptedUpstream failing([](const UpstreamQuery& query) -> std::vector<Octets> {
    return {support::make_reply(query, "SERVFAIL", {})};
  });
  const ScriptedUpstream good(support::always_address("192.0.2.1"));
  server_->set_plan(support::plan_of({dead, silent.address(), failing.address(), good.address()}));
  EXPECT_EQ(ask("www.example.org"), "192.0.2.1");
  EXPECT_THAT(silent.queries(), SizeIs(1));
  EXPECT_THAT(failing.queries(), SizeIs(1));
}

TEST_F(DnsServerTest, SaysServFailWithoutUpstreams) {
  start();
  const auto reply = support::ask(server(), {.name = "www.example.org"});
  EXPECT_EQ(reply.value().rcode(), "SERVFAIL");
  EXPECT_EQ(reply->extended_error_code(), 0);
}

TEST_F(DnsServerTest, AnswersFromTheAddressThatWasAsked) {
  start(default_options(), {"0.0.0.0"});
  const ScriptedUpstream upstream(support::always_address("192.0.2.1"));
  server_->set_plan(support::plan_of({upstream.address()}));
  // The client's socket is connected: a reply from another address would never arrive.
  for (const std::string ip : {"127.0.0.1", "127.0.0.5", "127.1.2.3"}) {
    for (const std::string name : {"backend.mesh", "www.example.org"}) {
      EXPECT_TRUE(support::ask(server_at(ip), {.name = name}).has_value()) << ip << " " << name;
    }
  }
}

// Replies that leave together carry the address to leave from besides.
TEST_F(DnsServerTest, AnswersABurstFromTheAddressThatWasAsked) {
  start(default_options(), {"0.0.0.0", "::"});
  const std::vector<SocketAddress> addresses = server_->addresses();
  for (const std::string ip : {"127.0.0.5", "::1"}) {
    const IpAddress own = IpAddress::parse(ip).value();
    const auto bound = std::ranges::find_if(
        addresses, [&](const SocketAddress& one) { return one.ip.family() == own.family(); });
    const UniqueFd socket =
        support::connect_socket({.ip = own, .port = bound->port}, DnsTransport::kUdp);
    constexpr int kQueries = 20;
    for (int i = 0; i < kQueries; ++i) {
      ASSERT_TRUE(support::send_message(socket.get(), DnsTransport::kUdp,
                                        support::encode({.name = "backend.mesh"})));
    }
    for (int i = 0; i < kQueries; ++i) {
      ASSERT_TRUE(support::receive_message(socket.get(), DnsTransport::kUdp).has_value())
          << ip << " " << i;
    }
  }
}

TEST_F(DnsServerTest, AnswersOnTheIpv6Wildcard) {
  start(default_options(), {"::"});
  EXPECT_TRUE(support::ask(server_at("::1"), {.name = "backend.mesh"}).has_value());
}

TEST_F(DnsServerTest, RefusesOthersUntilTheyAreAllowed) {
  // A client of the host's own, whose address is not loopback.
  const auto host = read_host_addresses().value();
  const auto own = std::ranges::find_if(
      host, [](const IpAddress& ip) { return ip.is_v4() && !ip.is_loopback(); });
  if (own == host.end()) {
    GTEST_SKIP() << "this host has loopback addresses alone";
  }
  start(default_options(), {"0.0.0.0"});
  for (const DnsTransport transport : {DnsTransport::kUdp, DnsTransport::kTcp}) {
    const auto reply =
        support::ask(server_at(own->to_string()), {.name = "backend.mesh"}, transport);
    EXPECT_EQ(reply.value().rcode(), "REFUSED");
  }
  EXPECT_THAT(metrics(), HasSubstr("meshdns_dns_refused_total 2\n"));
  server_->set_access(AccessList({*own}, {}));
  for (const DnsTransport transport : {DnsTransport::kUdp, DnsTransport::kTcp}) {
    const auto reply =
        support::ask(server_at(own->to_string()), {.name = "backend.mesh"}, transport);
    EXPECT_EQ(reply.value().rcode(), "NOERROR");
  }
}

TEST_F(DnsServerTest, IsNotDisturbedByDatagramsWithoutAQuestion) {
  start();
  const UniqueFd socket = support::connect_socket(server(), DnsTransport::kUdp);
  Octets response = support::encode({.name = "backend.mesh"});
  response[2] |= 0x80U;
  for (const Octets& octets : {Octets{}, Octets{1}, Octets(11, 0), response}) {
    ASSERT_TRUE(support::send_message(socket.get(), DnsTransport::kUdp, octets));
  }
  ASSERT_TRUE(support::send_message(socket.get(), DnsTransport::kUdp,
                                    support::encode({.name = "backend.mesh", .id = 77})));
  const auto reply = support::receive_message(socket.get(), DnsTransport::kUdp);
  EXPECT_EQ(reply.value()[1], 77) << "the first reply of all is to the query";
  EXPECT_THAT(metrics(), HasSubstr("meshdns_dns_dropped_total{reason=\"empty\"} 1\n"));
  EXPECT_THAT(metrics(), HasSubstr("meshdns_dns_dropped_total{reason=\"unanswerable\"} 3\n"));
}

TEST_F(DnsServerTest, AnswersAnOverlongDatagramWithFormErr) {
  start();
  const UniqueFd socket = support::connect_socket(server(), DnsTransport::kUdp);
  Octets query = support::encode({.name = "backend.mesh", .id = 77});
  query.resize(10'000);
  ASSERT_TRUE(support::send_message(socket.get(), DnsTransport::kUdp, query));
  const auto reply = support::receive_message(socket.get(), DnsTransport::kUdp);
  EXPECT_EQ(support::DnsReply::decode(reply.value()).value().rcode(), "FORMERR");
}

TEST_F(DnsServerTest, CountsAnswersThatCannotBeSent) {
  sockets_.set_fault([this](const support::SocketCall& call) {
    return call.step == support::SocketStep::kSendBatch ? fault_error_.load() : 0;
  });
  start();
  fault_error_ = EAGAIN;
  EXPECT_FALSE(
      support::ask(server(), {.name = "backend.mesh"}, DnsTransport::kUdp, milliseconds(100)));
  fault_error_ = EPERM;
  EXPECT_FALSE(
      support::ask(server(), {.name = "backend.mesh"}, DnsTransport::kUdp, milliseconds(100)));
  fault_error_ = 0;
  EXPECT_EQ(ask("backend.mesh"), "244.0.0.1");
  EXPECT_THAT(metrics(), HasSubstr("meshdns_dns_dropped_total{reason=\"send_buffer\"} 1\n"));
  EXPECT_THAT(metrics(), HasSubstr("meshdns_dns_dropped_total{reason=\"send_error\"} 1\n"));
}

TEST_F(DnsServerTest, AnswersABurstLargerThanManyBatches) {
  start();
  constexpr int kQueries = 200;
  const UniqueFd socket = support::connect_socket(server(), DnsTransport::kUdp);
  for (int i = 0; i < kQueries; ++i) {
    ASSERT_TRUE(support::send_message(socket.get(), DnsTransport::kUdp,
                                      support::encode({.name = "backend.mesh"})));
  }
  for (int i = 0; i < kQueries; ++i) {
    ASSERT_TRUE(support::receive_message(socket.get(), DnsTransport::kUdp).has_value()) << i;
  }
}

// Whatever batches questions and replies go in.
TEST_F(DnsServerTest, AnswersABurstOfForwardedQuestionsEachOnce) {
  start();
  const ScriptedUpstream upstream(support::always_address("192.0.2.1"));
  server_->set_plan(support::plan_of({upstream.address()}));
  constexpr std::uint16_t kQueries = 100;
  const UniqueFd socket = support::connect_socket(server(), DnsTransport::kUdp);
  for (std::uint16_t i = 0; i < kQueries; ++i) {
    const auto id = static_cast<std::uint16_t>(i + 1);
    ASSERT_TRUE(support::send_message(
        socket.get(), DnsTransport::kUdp,
        support::encode({.name = "n" + std::to_string(i) + ".example.org", .id = id})));
  }
  std::set<unsigned> answered;
  while (answered.size() < kQueries) {
    const auto octets = support::receive_message(socket.get(), DnsTransport::kUdp);
    ASSERT_TRUE(octets.has_value()) << answered.size();
    const auto reply = support::DnsReply::decode(*octets);
    ASSERT_TRUE(reply.has_value());
    const unsigned id = octets->at(0) * 256U + octets->at(1);
    EXPECT_TRUE(answered.insert(id).second) << id << " twice";
    EXPECT_EQ(reply->answer_data("A"), std::vector<std::string>{"192.0.2.1"});
  }
}

TEST_F(DnsServerTest, ShowsAPublishedSnapshotToEveryWorker) {
  DnsServer::Options options = default_options();
  options.workers = 3;
  start(options);
  publish("new.mesh", "244.0.0.9");
  // Sockets differ, so the kernel spreads them over the workers.
  for (int i = 0; i < 30; ++i) {
    EXPECT_EQ(ask("new.mesh", i % 2 == 0 ? DnsTransport::kUdp : DnsTransport::kTcp), "244.0.0.9");
  }
  publish("new.mesh", "244.0.0.10");
  publish("new.mesh", "244.0.0.11");
  EXPECT_TRUE(support::wait_until([&] {
    server_->collect_snapshots();
    return snapshots_->live_generations() == 1;
  })) << "idle workers let go of old snapshots";
}

TEST_F(DnsServerTest, KeepsFewSnapshotsForWorkersWithoutQuestions) {
  start(default_options());
  std::size_t published = 0;
  std::size_t most = 0;
  EXPECT_TRUE(support::wait_until([&] {
    publish("new.mesh", fmt::format("244.0.{}.1", published % 256));
    most = std::max(most, snapshots_->live_generations());
    ++published;
    return published > 100 && snapshots_->live_generations() <= 2;
  })) << "nobody asks, and yet all are freed but what is new since the worker was woken";
  EXPECT_GT(most, 2) << "a worker is not woken for each";
}

TEST_F(DnsServerTest, BoundsQuestionsInFlightAndStillAnswersLocally) {
  DnsServer::Options options = default_options();
  options.questions.total = 3;
  options.worker.resolver.forward.turn = std::chrono::seconds(30);
  start(options);
  const ScriptedUpstream upstream(support::silence());
  server_->set_plan(support::plan_of({upstream.address()}));
  const UniqueFd socket = support::connect_socket(server(), DnsTransport::kUdp);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(support::send_message(socket.get(), DnsTransport::kUdp,
                                      support::encode({.name = "www.example.org"})));
  }
  ASSERT_TRUE(support::wait_until([&] { return server_->in_flight() == 3; }));
  EXPECT_EQ(ask("www.example.org"), "SERVFAIL");
  EXPECT_EQ(ask("backend.mesh"), "244.0.0.1");
}

TEST_F(DnsServerTest, ChangesUpstreamsWithoutLosingOpenQuestions) {
  DnsServer::Options options = default_options();
  options.worker.resolver.forward.turn = std::chrono::seconds(30);
  start(options);
  std::atomic<bool> go{false};
  const ScriptedUpstream slow([&](const UpstreamQuery& query) -> std::vector<Octets> {
    EXPECT_TRUE(support::wait_until([&] { return go.load(); }));
    return {support::make_reply(query, "NOERROR", {query.name + " 60 IN A 192.0.2.1"})};
  });
  const ScriptedUpstream next(support::always_address("192.0.2.2"));
  server_->set_plan(support::plan_of({slow.address()}));
  const UniqueFd socket = support::connect_socket(server(), DnsTransport::kUdp);
  ASSERT_TRUE(support::send_message(socket.get(), DnsTransport::kUdp,
                                    support::encode({.name = "www.example.org"})));
  ASSERT_TRUE(support::wait_until([&] { return slow.queries().size() == 1; }));
  server_->set_plan(support::plan_of({next.address()}));
  EXPECT_EQ(ask("www.example.org"), "192.0.2.2");
  go = true;
  const auto reply = support::receive_message(socket.get(), DnsTransport::kUdp);
  EXPECT_THAT(support::DnsReply::decode(reply.value()).value().answer_data("A"),
              ::testing::ElementsAre("192.0.2.1"));
}

TEST_F(DnsServerTest, AddsAndRemovesAddressesAndKeepsTheSocketsOfOthers) {
  start();
  const SocketAddress first = server();
  const ListenAddress kept{.address = {.ip = first.ip, .port = 0}};
  const UniqueFd connection = support::connect_socket(first, DnsTransport::kTcp);
  const Octets query = support::encode({.name = "backend.mesh"});
  ASSERT_TRUE(support::send_message(connection.get(), DnsTransport::kTcp, query));
  ASSERT_TRUE(support::receive_message(connection.get(), DnsTransport::kTcp).has_value());

  const ListenAddress added{
      .address = {.ip = IpAddress::parse("127.0.0.2").value(), .port = support::free_port()}};
  ASSERT_TRUE(server_->set_listeners(std::vector{kept, added}));
  EXPECT_THAT(server_->addresses(), ::testing::ElementsAre(first, added.address));
  EXPECT_TRUE(support::ask(added.address, {.name = "backend.mesh"}).has_value());
  ASSERT_TRUE(support::send_message(connection.get(), DnsTransport::kTcp, query));
  EXPECT_TRUE(support::receive_message(connection.get(), DnsTransport::kTcp).has_value());

  ASSERT_TRUE(server_->set_listeners(std::vector{kept}));
  EXPECT_THAT(server_->addresses(), ::testing::ElementsAre(first));
  // The address is free again as soon as the worker has let go of it.
  EXPECT_TRUE(support::wait_until(
      [&] { return server_->set_listeners(std::vector{kept, added}).has_value(); }));
}

TEST_F(DnsServerTest, KeepsItsAddressesWhenANewOneCannotBeHad) {
  start();
  const ListenAddress kept{.address = {.ip = server().ip, .port = 0}};
  const ListenAddress absent{
      .address = {.ip = IpAddress::parse("192.0.2.1").value(), .port = 5300}};
  const auto result = server_->set_listeners(std::vector{absent});
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message, HasSubstr("192.0.2.1:5300"));
  EXPECT_FALSE(server_->set_listeners({}));
  EXPECT_EQ(ask("backend.mesh"), "244.0.0.1");
  const auto with_note = server_->set_listeners(
      std::vector{kept, ListenAddress{.address = absent.address, .optional = true}});
  ASSERT_TRUE(with_note);
  EXPECT_THAT(*with_note, SizeIs(1));
  EXPECT_EQ(ask("backend.mesh"), "244.0.0.1");
}

TEST_F(DnsServerTest, SaysThatItIsItselfWhoHoldsANewAddress) {
  start();
  const SocketAddress own = server();
  const ListenAddress wildcard{.address = {.ip = IpAddress(), .port = own.port}};
  const auto result = server_->set_listeners(std::vector{wildcard});
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message,
              HasSubstr("cannot listen on " + wildcard.address.to_string() +
                        " while this resolver listens on " + own.to_string()));
  EXPECT_THAT(server_->addresses(), ::testing::ElementsAre(own));
  EXPECT_EQ(ask("backend.mesh"), "244.0.0.1");
}

TEST_F(DnsServerTest, AnswersWhatIsOpenBeforeItStops) {
  DnsServer::Options options = default_options();
  options.worker.resolver.forward.turn = std::chrono::seconds(30);
  options.worker.drain_timeout = std::chrono::seconds(30);
  start(options);
  std::atomic<bool> go{false};
  const ScriptedUpstream slow([&](const UpstreamQuery& query) -> std::vector<Octets> {
    EXPECT_TRUE(support::wait_until([&] { return go.load(); }));
    return {support::make_reply(query, "NOERROR", {query.name + " 60 IN A 192.0.2.1"})};
  });
  server_->set_plan(support::plan_of({slow.address()}));
  const UniqueFd udp = support::connect_socket(server(), DnsTransport::kUdp);
  const UniqueFd tcp = support::connect_socket(server(), DnsTransport::kTcp);
  ASSERT_TRUE(support::send_message(udp.get(), DnsTransport::kUdp,
                                    support::encode({.name = "udp.example.org"})));
  ASSERT_TRUE(support::send_message(tcp.get(), DnsTransport::kTcp,
                                    support::encode({.name = "tcp.example.org"})));
  ASSERT_TRUE(support::wait_until([&] { return server_->in_flight() == 2; }));
  std::thread stopper([&] { server_->stop(); });
  go = true;
  EXPECT_TRUE(support::receive_message(udp.get(), DnsTransport::kUdp).has_value());
  EXPECT_TRUE(support::receive_message(tcp.get(), DnsTransport::kTcp).has_value());
  stopper.join();
}

// The last reply and the moment at which the worker looks whether it may stop come together: it is
// held up between them, until both are there.
TEST_F(DnsServerTest, AReplyThatComesTogetherWithTheStopLeavesBeforeIt) {
  struct Course {
    std::atomic<bool> is_told_to_stop{false};
    std::atomic<bool> stops{false};
    std::atomic<bool> first_is_answered{false};
    std::atomic<bool> second_is_answered{false};
  };
  const auto course = std::make_shared<Course>();
  sockets_.set_fault([course](const support::SocketCall& call) {
    if (call.step == support::SocketStep::kReceiveBatch && course->is_told_to_stop) {
      course->stops = true;  // it looks for clients' questions a last time
    }
    if (call.step == support::SocketStep::kReceive && course->first_is_answered.exchange(false)) {
      EXPECT_TRUE(support::wait_until([&] { return course->second_is_answered.load(); }));
      // By then the reply has come, and many times over the worker would have looked.
      std::this_thread::sleep_for(milliseconds(200));
    }
    return 0;
  });
  DnsServer::Options options = default_options();
  options.worker.resolver.forward.turn = std::chrono::seconds(30);
  options.worker.resolver.forward.retry_interval = std::chrono::seconds(30);
  options.worker.drain_timeout = std::chrono::seconds(30);
  start(options);
  const ScriptedUpstream upstream([course](const UpstreamQuery& query) -> std::vector<Octets> {
    if (query.name == "first.example.org.") {
      EXPECT_TRUE(support::wait_until([&] { return course->stops.load(); }));
      course->first_is_answered = true;
    } else {
      course->second_is_answered = true;
    }
    return {support::make_reply(query, "NOERROR", {query.name + " 60 IN A 192.0.2.1"})};
  });
  server_->set_plan(support::plan_of({upstream.address()}));
  const UniqueFd client = support::connect_socket(server(), DnsTransport::kUdp);
  for (const std::string name : {"first.example.org", "second.example.org"}) {
    ASSERT_TRUE(
        support::send_message(client.get(), DnsTransport::kUdp, support::encode({.name = name})));
  }
  ASSERT_TRUE(support::wait_until([&] { return server_->in_flight() == 2; }));
  std::thread stopper([&] {
    course->is_told_to_stop = true;
    server_->stop();
  });
  EXPECT_TRUE(support::receive_message(client.get(), DnsTransport::kUdp).has_value());
  EXPECT_TRUE(support::receive_message(client.get(), DnsTransport::kUdp).has_value());
  stopper.join();
}

TEST_F(DnsServerTest, StopsInTimeWhenNobodyAnswers) {
  DnsServer::Options options = default_options();
  options.worker.resolver.forward.turn = std::chrono::seconds(30);
  options.worker.drain_timeout = milliseconds(50);
  start(options);
  const ScriptedUpstream silent(support::silence());
  server_->set_plan(support::plan_of({silent.address()}));
  const UniqueFd udp = support::connect_socket(server(), DnsTransport::kUdp);
  const UniqueFd tcp = support::connect_socket(server(), DnsTransport::kTcp);
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(support::send_message(udp.get(), DnsTransport::kUdp,
                                      support::encode({.name = "udp.example.org"})));
    ASSERT_TRUE(support::send_message(tcp.get(), DnsTransport::kTcp,
                                      support::encode({.name = "tcp.example.org"})));
  }
  ASSERT_TRUE(support::wait_until([&] { return server_->in_flight() == 20; }));
  const auto before = std::chrono::steady_clock::now();
  server_->stop();
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(20));
  EXPECT_EQ(server_->in_flight(), 0U);
  server_->stop();  // again does nothing
}

// Who asks before a successor reads the sockets waits, and is answered.
TEST_F(DnsServerTest, LeavesQuestionsInTheSocketsUntilItBegins) {
  DnsServer::Options options = default_options();
  options.waits = true;
  start(options);
  const UniqueFd udp = support::connect_socket(server(), DnsTransport::kUdp);
  const UniqueFd tcp = support::connect_socket(server(), DnsTransport::kTcp);
  ASSERT_TRUE(support::send_message(udp.get(), DnsTransport::kUdp,
                                    support::encode({.name = "backend.mesh"})));
  ASSERT_TRUE(support::send_message(tcp.get(), DnsTransport::kTcp,
                                    support::encode({.name = "backend.mesh"})));
  EXPECT_THAT(metrics(), HasSubstr("meshdns_dns_queries_total{proto=\"udp\"} 0\n"));
  server_->begin();
  EXPECT_TRUE(support::receive_message(udp.get(), DnsTransport::kUdp).has_value());
  EXPECT_TRUE(support::receive_message(tcp.get(), DnsTransport::kTcp).has_value());
}

// Sockets that come from elsewhere are as many as they are.
TEST_F(DnsServerTest, ReadsEverySocketWhateverTheNumberOfWorkers) {
  for (const auto& [sockets, workers] : {std::pair{1U, 3U}, std::pair{3U, 1U}}) {
    SCOPED_TRACE(sockets);
    sockets_to_bind_ = sockets;
    DnsServer::Options options = default_options();
    options.workers = workers;
    start(options);
    // Each from a port of its own, by which the kernel chooses among several sockets.
    for (int i = 0; i < 40; ++i) {
      EXPECT_EQ(ask("backend.mesh"), "244.0.0.1");
      EXPECT_EQ(ask("backend.mesh", DnsTransport::kTcp), "244.0.0.1");
    }
    server_.reset();
  }
}

TEST_F(DnsServerTest, EveryWorkerSaysThatItIsWell) {
  std::array<std::atomic<int>, 3> beats{};
  DnsServer::Options options = default_options();
  options.workers = beats.size();
  options.on_beat = [&](std::size_t worker) { ++beats.at(worker); };
  options.beat_interval = milliseconds(1);
  start(options);
  EXPECT_TRUE(support::wait_until(
      [&] { return std::ranges::all_of(beats, [](const auto& count) { return count > 2; }); }));
  server_->stop();
}

// Memory that runs out costs the step that needed it, and what it was about.
TEST_F(DnsServerTest, AStepThatFailsMakesNobodyDeaf) {
  sockets_.set_fault([this](const support::SocketCall& call) {
    int left = fault_count_;
    if (static_cast<int>(call.step) == fault_error_ && left > 0 &&
        fault_count_.compare_exchange_strong(left, left - 1)) {
      throw std::bad_alloc();
    }
    return 0;
  });
  start();
  const ScriptedUpstream upstream(support::always_address("192.0.2.1"));
  server_->set_plan(support::plan_of({upstream.address()}));
  int names = 0;
  // Each outside name is another, so that none is in the cache.
  const auto is_answered = [&](const std::string& name, DnsTransport transport) {
    return support::ask(server(), {.name = name}, transport, milliseconds(500)).has_value();
  };
  const auto outside = [&] { return "n" + std::to_string(++names) + ".example.org"; };
  for (const support::SocketStep step :
       {support::SocketStep::kReceiveBatch, support::SocketStep::kSendBatch,
        support::SocketStep::kAccept, support::SocketStep::kReceive, support::SocketStep::kSend,
        support::SocketStep::kConnect}) {
    SCOPED_TRACE(static_cast<int>(step));
    fault_error_ = static_cast<int>(step);
    fault_count_ = 2;
    EXPECT_TRUE(support::wait_until([&] {
      for (const DnsTransport transport : {DnsTransport::kUdp, DnsTransport::kTcp}) {
        static_cast<void>(is_answered("backend.mesh", transport));
        static_cast<void>(is_answered(outside(), transport));
      }
      return fault_count_ == 0;
    }));
    for (const DnsTransport transport : {DnsTransport::kUdp, DnsTransport::kTcp}) {
      EXPECT_EQ(ask("backend.mesh", transport), "244.0.0.1");
      EXPECT_EQ(ask(outside(), transport), "192.0.2.1");
    }
  }
}

TEST_F(DnsServerTest, AQuestionThatThereIsNoMemoryForCostsNoOtherItsAnswer) {
  fault_count_ = 1;
  sockets_.set_fault([this](const support::SocketCall& call) {
    if (call.step == support::SocketStep::kConnect && fault_count_.exchange(0) != 0) {
      throw std::bad_alloc();
    }
    return 0;
  });
  DnsServer::Options options = default_options();
  options.waits = true;
  start(options);
  const ScriptedUpstream upstream(support::always_address("192.0.2.1"));
  server_->set_plan(support::plan_of({upstream.address()}));
  std::vector<UniqueFd> clients;
  for (const char* const name :
       {"first.example.org", "backend.mesh", "second.example.org", "many.mesh"}) {
    clients.push_back(support::connect_socket(server(), DnsTransport::kUdp));
    ASSERT_TRUE(support::send_message(clients.back().get(), DnsTransport::kUdp,
                                      support::encode({.name = name})));
  }
  server_->begin();  // with all of them at once
  for (const UniqueFd& client : clients) {
    EXPECT_TRUE(support::receive_message(client.get(), DnsTransport::kUdp).has_value());
  }
  EXPECT_EQ(fault_count_, 0);
}

// A client that has just been told that it is connected gets its answer.
TEST_F(DnsServerTest, AnswersAConnectionThatWasNotYetAskedAnythingWhenItStops) {
  DnsServer::Options options = default_options();
  options.worker.drain_timeout = std::chrono::seconds(30);
  start(options);
  const UniqueFd fresh = support::connect_socket(server(), DnsTransport::kTcp);
  const UniqueFd used = support::connect_socket(server(), DnsTransport::kTcp);
  ASSERT_TRUE(support::send_message(used.get(), DnsTransport::kTcp,
                                    support::encode({.name = "backend.mesh"})));
  ASSERT_TRUE(support::receive_message(used.get(), DnsTransport::kTcp).has_value());
  std::thread stopper([&] { server_->stop(); });
  // The one that has had its answer ends at once.
  EXPECT_FALSE(support::receive_message(used.get(), DnsTransport::kTcp).has_value());
  EXPECT_TRUE(support::send_message(fresh.get(), DnsTransport::kTcp,
                                    support::encode({.name = "backend.mesh"})));
  EXPECT_TRUE(support::receive_message(fresh.get(), DnsTransport::kTcp).has_value());
  stopper.join();
}

// However many came while the worker was held up, here as it stops.
TEST_F(DnsServerTest, AnswersEveryConnectionThatWaitsToBeAcceptedWhenItStops) {
  struct Course {
    std::atomic<bool> is_told_to_stop{false};
    std::atomic<bool> stops{false};
    std::atomic<bool> all_wait{false};
  };
  const auto course = std::make_shared<Course>();
  sockets_.set_fault([course](const support::SocketCall& call) {
    if (call.step == support::SocketStep::kReceiveBatch && course->is_told_to_stop) {
      course->stops = true;  // it looks for datagrams a last time
      EXPECT_TRUE(support::wait_until([&] { return course->all_wait.load(); }));
    }
    return 0;
  });
  DnsServer::Options options = default_options();
  options.worker.drain_timeout = std::chrono::seconds(30);
  start(options);
  std::thread stopper([&] {
    course->is_told_to_stop = true;
    server_->stop();
  });
  EXPECT_TRUE(support::wait_until([&] { return course->stops.load(); }));
  std::vector<UniqueFd> clients(100);
  for (UniqueFd& client : clients) {
    client = support::connect_socket(server(), DnsTransport::kTcp);
    EXPECT_TRUE(support::send_message(client.get(), DnsTransport::kTcp,
                                      support::encode({.name = "backend.mesh"})));
  }
  course->all_wait = true;
  for (const UniqueFd& client : clients) {
    EXPECT_TRUE(support::receive_message(client.get(), DnsTransport::kTcp).has_value());
  }
  stopper.join();
}

}  // namespace
}  // namespace meshdns::dns
