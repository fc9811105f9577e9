// Where questions come from: addresses, transports, and who may ask.
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "tests/e2e/network.h"
#include "tests/support/dns_client.h"
#include "tests/support/http2_frames.h"
#include "tests/support/http_get.h"
#include "tests/support/network_namespace.h"
#include "tests/support/process.h"
#include "tests/support/programs.h"
#include "tests/support/scripted_upstream.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

SocketAddress at(const std::string& address, std::uint16_t port) {
  return {.ip = IpAddress::parse(address).value(), .port = port};
}

TEST(Listeners, EveryAddressIsServedOverUdpAndTcpInBothFamilies) {
  MESHDNS_NEEDS_PRIVATE_NETWORK();
  ip("addr add 192.0.2.53/32 dev lo");
  ip("addr add 2001:db8::53/128 dev lo nodad");
  ControlPlaneProgram control_plane;
  control_plane.put({.name = "web-1", .service = "web"});
  control_plane.start();
  ResolverProgram resolver;
  const std::vector<SocketAddress> addresses{at("127.0.0.1", 53), at("::1", 53),
                                             at("192.0.2.53", 5353), at("2001:db8::53", 53)};
  std::vector<std::string> flags;
  for (const SocketAddress& address : addresses) {
    flags.insert(flags.end(), {"--listen", address.to_string()});
  }
  resolver.start_ready(control_plane, flags);
  for (const SocketAddress& address : addresses) {
    for (const auto transport : {DnsTransport::kUdp, DnsTransport::kTcp}) {
      const auto reply = ask(address, {.name = "web.mesh"}, transport);
      ASSERT_TRUE(reply.has_value()) << address.to_string();
      EXPECT_EQ(reply->answer_data("A").size(), 1U) << address.to_string();
    }
  }
  ip("addr del 192.0.2.53/32 dev lo");
  ip("addr del 2001:db8::53/128 dev lo");
}

TEST(Listeners, AWildcardSocketAnswersFromTheAddressThatWasAsked) {
  MESHDNS_NEEDS_PRIVATE_NETWORK();
  ip("addr add 192.0.2.53/32 dev lo");
  ip("addr add 2001:db8::53/128 dev lo nodad");
  ResolverProgram resolver;
  resolver.start({"--listen", "0.0.0.0:53", "--listen", "[::]:53"});
  // A connected UDP socket takes nothing from any other address.
  for (const char* const address : {"127.0.0.1", "192.0.2.53", "::1", "2001:db8::53"}) {
    const auto reply = ask(at(address, 53), {.name = "web.mesh"});
    EXPECT_TRUE(reply.has_value()) << address;
  }
  ip("addr del 192.0.2.53/32 dev lo");
  ip("addr del 2001:db8::53/128 dev lo");
}

TEST(Listeners, AnAddressInUseIsNamedAndEndsTheStart) {
  const UniqueFd taken = bind_socket(loopback(0), DnsTransport::kTcp);
  const std::string address = loopback(port_of(taken.get())).to_string();
  const ResolverProgram resolver;
  const auto result = run_command({program_path("meshdns"), "run", "--listen", address,
                                   "--state-dir", resolver.state_folder()});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.output + result.error, HasSubstr(address));
}

TEST(Listeners, ManyOpenConnectionsLeaveUdpAnswered) {
  ControlPlaneProgram control_plane;
  control_plane.put({.name = "web-1", .service = "web"});
  control_plane.start();
  ResolverProgram resolver;
  resolver.start_ready(control_plane);
  constexpr int kConnections = 400;
  std::vector<UniqueFd> connections;
  for (int i = 0; i < kConnections; ++i) {
    connections.push_back(connect_socket(resolver.dns(), DnsTransport::kTcp));
    // A length and half a header: each waits for the rest.
    const std::vector<std::uint8_t> half{0, 12, 0, 1, 1, 0};
    (void)send_message(connections.back().get(), DnsTransport::kUdp, half);
  }
  const auto reply = ask(resolver.dns(), {.name = "web.mesh"});
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->rcode(), "NOERROR");
}

// A packet filter that sends their questions to us leaves programs the host's own address.
TEST(Listeners, AllProgramsOfTheHostAreNotOneClient) {
  MESHDNS_NEEDS_PRIVATE_NETWORK();
  ip("addr add 192.0.2.54/32 dev lo");
  ResolverProgram resolver;
  resolver.start({"--listen", "127.0.0.1:5454", "--listen", "192.0.2.54:5454"});
  for (const SocketAddress& address : {at("127.0.0.1", 5454), at("192.0.2.54", 5454)}) {
    std::vector<UniqueFd> connections;
    for (int i = 0; i < 300; ++i) {
      connections.push_back(connect_socket(address, DnsTransport::kTcp));
      ASSERT_TRUE(send_message(connections.back().get(), DnsTransport::kTcp,
                               encode({.name = "localhost"})));
      ASSERT_TRUE(receive_message(connections.back().get(), DnsTransport::kTcp).has_value());
    }
    const UniqueFd& first = connections.front();
    EXPECT_TRUE(send_message(first.get(), DnsTransport::kTcp, encode({.name = "localhost"})) &&
                receive_message(first.get(), DnsTransport::kTcp).has_value())
        << address.to_string();
  }
}

TEST(Listeners, QuestionsOfAllProgramsOfTheHostMayWait) {
  MESHDNS_NEEDS_PRIVATE_NETWORK();
  ip("addr add 192.0.2.55/32 dev lo");
  const ScriptedUpstream upstream(silence());
  ResolverProgram resolver;
  resolver.start({"--listen", "192.0.2.55:5454", "--upstream", upstream.address().to_string()});
  constexpr std::size_t kMoreThanOneClientMayHave = 1200;
  const UniqueFd client = connect_socket(at("192.0.2.55", 5454), DnsTransport::kUdp);
  for (std::size_t i = 0; i < kMoreThanOneClientMayHave; ++i) {
    ASSERT_TRUE(send_message(client.get(), DnsTransport::kUdp,
                             encode({.name = "n" + std::to_string(i) + ".example.org"})));
    if (i % 50 == 0) {  // no more than the socket holds
      ASSERT_TRUE(wait_until([&] { return upstream.count(DnsTransport::kUdp) >= i; }));
    }
  }
  ASSERT_TRUE(wait_until([&] {
    const std::string body = resolver.get("/metrics").body;
    return body.find("meshdns_dns_queries_total{proto=\"udp\"} 1200\n") != std::string::npos;
  }));
  EXPECT_THAT(resolver.get("/metrics").body, HasSubstr("meshdns_forward_refused_total 0\n"));
}

TEST(Listeners, QuestionsOnOneConnectionAreAllAnswered) {
  ControlPlaneProgram control_plane;
  control_plane.put({.name = "web-1", .service = "web"});
  control_plane.start();
  ResolverProgram resolver;
  resolver.start_ready(control_plane);
  const UniqueFd connection = connect_socket(resolver.dns(), DnsTransport::kTcp);
  for (const std::uint16_t id : std::array<std::uint16_t, 3>{11, 12, 13}) {
    ASSERT_TRUE(
        send_message(connection.get(), DnsTransport::kTcp, encode({.name = "web.mesh", .id = id})));
  }
  std::vector<std::uint16_t> ids;
  for (int i = 0; i < 3; ++i) {
    const auto octets = receive_message(connection.get(), DnsTransport::kTcp);
    ASSERT_TRUE(octets.has_value());
    ids.push_back(DnsReply::decode(*octets).value().message().id);
  }
  EXPECT_THAT(ids, testing::UnorderedElementsAre(11, 12, 13));
}

// A program that will be left with few descriptors.
class Descriptors : public testing::Test {
 protected:
  void leave(std::size_t spare) { leave(resolver_.resolver_pid().value(), spare); }
  // Leaves it this many beside those that it has open.
  static void leave(pid_t pid, std::size_t spare) {
    const std::filesystem::directory_iterator open("/proc/" + std::to_string(pid) + "/fd");
    const auto used = static_cast<std::size_t>(std::distance(begin(open), end(open)));
    const rlimit limit{.rlim_cur = used + spare, .rlim_max = used + spare};
    ASSERT_EQ(prlimit(pid, RLIMIT_NOFILE, &limit, nullptr), 0);
  }

  ResolverProgram resolver_;
};

TEST_F(Descriptors, ThatAControlPlaneRunsOutOfKeepNobodyOutForGood) {
  ControlPlaneProgram control_plane;
  control_plane.put({.name = "web-1", .service = "web"});
  control_plane.start();
  leave(control_plane.process().pid(), 20);
  const SocketAddress xds = loopback(control_plane.port());
  std::vector<UniqueFd> crowd;
  for (int i = 0; i < 60; ++i) {
    crowd.push_back(connect_socket(xds, DnsTransport::kTcp));
  }
  ASSERT_TRUE(wait_until([&] {
    return control_plane.log().find("clients wait for their connections") != std::string::npos;
  })) << control_plane.log();
  crowd.clear();
  resolver_.start_ready(control_plane);
  EXPECT_NE(resolver_.wait_for_address("web.mesh"), "") << control_plane.log();
}

TEST_F(Descriptors, ThatXdsClientsTakeLeaveSomeForTheFolderAndForHttp) {
  ControlPlaneProgram control_plane;
  control_plane.put({.name = "web-1", .service = "web"});
  control_plane.start();
  resolver_.start_ready(control_plane);
  leave(control_plane.process().pid(), 20);
  const SocketAddress xds = loopback(control_plane.port());
  std::vector<UniqueFd> crowd;
  const std::string begin =
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + http2::frame(http2::kSettings, 0, 0, "");
  for (int i = 0; i < 60; ++i) {
    crowd.push_back(connect_socket(xds, DnsTransport::kTcp));
    ASSERT_EQ(::write(crowd.back().get(), begin.data(), begin.size()), std::ssize(begin));
  }
  ASSERT_TRUE(wait_until([&] {
    return control_plane.log().find("clients wait for their connections") != std::string::npos;
  })) << control_plane.log();
  control_plane.put({.name = "news-1", .service = "news"});
  EXPECT_NE(resolver_.wait_for_address("news.mesh"), "") << control_plane.log();
  EXPECT_EQ(control_plane.get("/healthz").status, 200);
  EXPECT_TRUE(http_get(control_plane.api(), "/"));
}

TEST_F(Descriptors, ThatRunOutMakeTcpWaitAndUdpGoesOn) {
  const ScriptedUpstream upstream(silence());
  ControlPlaneProgram control_plane;
  control_plane.put({.name = "web-1", .service = "web"});
  control_plane.start();
  resolver_.start_ready(control_plane, {"--upstream", upstream.address().to_string()});
  constexpr std::size_t kSpare = 8;
  leave(kSpare);

  // None of these is idle, so none makes way.
  std::vector<UniqueFd> busy;
  for (std::size_t i = 0; i < 3 * kSpare; ++i) {
    busy.push_back(connect_socket(resolver_.dns(), DnsTransport::kTcp));
    ASSERT_TRUE(send_message(busy.back().get(), DnsTransport::kTcp,
                             encode({.name = "slow.example", .id = 1})));
  }
  const UniqueFd last = connect_socket(resolver_.dns(), DnsTransport::kTcp);
  ASSERT_TRUE(send_message(last.get(), DnsTransport::kTcp, encode({.name = "web.mesh"})));
  for (int i = 0; i < 20; ++i) {
    const auto reply = ask(resolver_.dns(), {.name = "web.mesh"});
    ASSERT_TRUE(reply.has_value()) << resolver_.log();
    EXPECT_EQ(reply->rcode(), "NOERROR");
  }
  busy.clear();
  EXPECT_TRUE(receive_message(last.get(), DnsTransport::kTcp).has_value());
  EXPECT_THAT(resolver_.get("/metrics").body,
              testing::ContainsRegex("meshdns_tcp_accept_failures_total [1-9]"));
}

TEST_F(Descriptors, ThatRunOutAreTakenFromTheLongestIdle) {
  resolver_.start();
  constexpr int kSpare = 8;
  leave(kSpare);
  std::vector<UniqueFd> idle;
  for (int i = 0; i < 4 * kSpare; ++i) {
    idle.push_back(connect_socket(resolver_.dns(), DnsTransport::kTcp));
    ASSERT_TRUE(send_message(idle.back().get(), DnsTransport::kTcp, encode({.name = "localhost"})));
    ASSERT_TRUE(receive_message(idle.back().get(), DnsTransport::kTcp).has_value())
        << resolver_.log();
  }
}

// Whatever a stranger's program sends: noise, half a question, somebody's answers, nothing.
TEST(Listeners, GarbageBesideQuestionsCostsNoQuestionItsAnswer) {
  const ScriptedUpstream upstream(always_address("192.0.2.7"));
  ControlPlaneProgram control_plane;
  control_plane.put({.name = "web-1", .service = "web"});
  control_plane.start();
  ResolverProgram resolver;
  resolver.start_ready(control_plane,
                       {"--upstream", upstream.address().to_string(), "--workers", "3"});
  constexpr unsigned kSenders = 3;
  constexpr std::size_t kDatagrams = 20'000;  // each, from sockets that change
  std::atomic<bool> stop = false;
  std::vector<std::thread> senders;
  for (unsigned seed = 0; seed < kSenders; ++seed) {
    senders.emplace_back([&stop, seed, server = resolver.dns()] {
      std::minstd_rand random(seed + 1);
      UniqueFd socket;
      for (std::size_t i = 0; i < kDatagrams && !stop; ++i) {
        if (i % 100 == 0) {
          socket = connect_socket(server, DnsTransport::kUdp);
        }
        std::vector<std::uint8_t> octets = encode({.name = "web.mesh"});
        switch (random() % 4) {
          case 0:
            octets.resize(random() % octets.size());
            break;
          case 1:
            octets[2] |= 0x80U;  // a response
            break;
          default:
            for (std::size_t flips = random() % 20; flips > 0; --flips) {
              octets[random() % octets.size()] = static_cast<std::uint8_t>(random());
            }
        }
        static_cast<void>(::send(socket.get(), octets.data(), octets.size(), MSG_DONTWAIT));
      }
    });
  }
  // A client asks again what a full socket buffer has swallowed, as every stub does.
  const auto answer = [&resolver](const std::string& name) {
    for (int attempt = 0; attempt < 5; ++attempt) {
      if (const auto reply = ask(resolver.dns(), {.name = name}, DnsTransport::kUdp,
                                 std::chrono::milliseconds(1000))) {
        return reply->answer_data("A");
      }
    }
    return std::vector<std::string>{"(nothing)"};
  };
  const std::string web = resolver.address_of("web.mesh");
  for (int i = 0; i < 200; ++i) {
    EXPECT_THAT(answer("web.mesh"), ElementsAre(web));
    EXPECT_THAT(answer("n" + std::to_string(i) + ".example.org"), ElementsAre("192.0.2.7"));
  }
  stop = true;
  for (std::thread& sender : senders) {
    sender.join();
  }
  EXPECT_EQ(resolver.address_of("web.mesh"), web);
}

// Another machine, as far as the resolver can tell: a network of its own behind a pair of
// interfaces. 192.0.2.1 and 2001:db8::1 are here, .2 and ::2 there.
class Neighbour {
 public:
  Neighbour() {
    ip("link add outer type veth peer name inner netns " + network_.path());
    ip("addr add 192.0.2.1/24 dev outer");
    ip("addr add 2001:db8::1/64 dev outer nodad");
    ip("link set outer up");
    inside(
        "ip addr add 192.0.2.2/24 dev inner && ip addr add 2001:db8::2/64 dev inner nodad && "
        "ip link set inner up");
  }
  Neighbour(const Neighbour&) = delete;
  Neighbour& operator=(const Neighbour&) = delete;
  ~Neighbour() { (void)run_command({"ip", "link", "del", "outer"}); }

  [[nodiscard]] std::optional<DnsReply> ask_from_there(const SocketAddress& server,
                                                       DnsTransport transport) const {
    std::optional<DnsReply> reply;
    network_.run([&] { reply = ask(server, {.name = "www.example.org"}, transport); });
    return reply;
  }

 private:
  void inside(const std::string& script) const {
    Process shell({.argv = {"sh", "-c", script}, .network_namespace = network_.fd()});
    if (shell.wait() != 0) {
      throw std::runtime_error(shell.standard_error());
    }
  }

  NetworkNamespace network_;
};

TEST(Listeners, ANeighbourIsRefusedUnlessAllowed) {
  MESHDNS_NEEDS_PRIVATE_NETWORK();
  const Neighbour neighbour;
  const ScriptedUpstream upstream(always_address("192.0.2.7"));
  const std::vector<SocketAddress> addresses{at("192.0.2.1", 53), at("2001:db8::1", 53)};
  const std::vector<std::string> flags{"--listen",     "0.0.0.0:53", "--listen",
                                       "[::]:53",      "--upstream", upstream.address().to_string(),
                                       "--cache-size", "0MiB"};
  {
    ResolverProgram resolver;
    resolver.start(flags);
    for (const SocketAddress& address : addresses) {
      for (const auto transport : {DnsTransport::kUdp, DnsTransport::kTcp}) {
        const auto refused = neighbour.ask_from_there(address, transport);
        ASSERT_TRUE(refused.has_value()) << address.to_string();
        EXPECT_EQ(refused->rcode(), "REFUSED");
        EXPECT_LE(refused->octets().size(), encode({.name = "www.example.org"}).size());
      }
      // The host itself, by the same address.
      const auto own = ask(address, {.name = "www.example.org"});
      ASSERT_TRUE(own.has_value());
      EXPECT_THAT(own->answer_data("A"), ElementsAre("192.0.2.7"));
    }
    EXPECT_EQ(upstream.queries().size(), addresses.size());
  }
  ResolverProgram resolver;
  std::vector<std::string> allowing = flags;
  allowing.insert(allowing.end(), {"--allow", "192.0.2.0/24", "--allow", "2001:db8::/64"});
  resolver.start(allowing);
  for (const SocketAddress& address : addresses) {
    for (const auto transport : {DnsTransport::kUdp, DnsTransport::kTcp}) {
      const auto reply = neighbour.ask_from_there(address, transport);
      ASSERT_TRUE(reply.has_value()) << address.to_string();
      EXPECT_THAT(reply->answer_data("A"), ElementsAre("192.0.2.7"));
    }
  }
}

}  // namespace
}  // namespace meshdns::support
