// Replies that somebody else sends in the upstream server's name: none is taken. And how the source
// ports and ids that keep them out are drawn.
#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <random>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "tests/support/counted.h"
#include "tests/support/dns_client.h"
#include "tests/support/port_statistics.h"
#include "tests/support/programs.h"
#include "tests/support/scripted_upstream.h"

namespace meshdns::support {
namespace {

constexpr const char* kTrue = "192.0.2.1";
constexpr const char* kForged = "192.0.2.66";

std::vector<std::vector<std::uint8_t>> reply_with(const UpstreamQuery& query,
                                                  const std::string& address) {
  return {make_reply(query, "NOERROR", {query.name + " 60 IN A " + address})};
}

// Sends forged replies from the upstream server's own address and port: it knows the question to
// the letter, and neither the port it came from nor its id.
class Forger {
 public:
  explicit Forger(const SocketAddress& server)
      : server_(server), socket_(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_UDP)) {
    if (!socket_.valid()) {
      throw std::system_error(errno, std::generic_category(), "raw socket");
    }
    std::ifstream("/proc/sys/net/ipv4/ip_local_port_range") >> low_ >> high_;
  }

  void flood(const UpstreamQuery& query, std::size_t count) {
    constexpr std::size_t kBatch = 64;
    // A UDP header without checksum (RFC 768), then the reply.
    const std::vector<std::uint8_t> message = reply_with(query, kForged).front();
    const std::size_t size = kUdpHeader + message.size();
    std::vector<std::uint8_t> reply(kUdpHeader);
    put_u16(reply, 0, server_.port);
    put_u16(reply, 4, static_cast<std::uint16_t>(size));
    reply.insert(reply.end(), message.begin(), message.end());
    std::vector<std::vector<std::uint8_t>> replies(kBatch, reply);
    std::array<sockaddr_storage, kBatch> addresses{};
    std::array<iovec, kBatch> parts{};
    std::array<mmsghdr, kBatch> messages{};
    std::uniform_int_distribution<std::uint16_t> port(low_, high_);
    std::uniform_int_distribution<std::uint16_t> id(0, 65535);
    for (std::size_t sent = 0; sent < count; sent += kBatch) {
      for (std::size_t i = 0; i < kBatch; ++i) {
        put_u16(replies[i], 2, port(random_));
        put_u16(replies[i], kUdpHeader, id(random_));
        const SocketAddress target{.ip = server_.ip, .port = 0};
        parts.at(i) = {replies[i].data(), replies[i].size()};
        messages.at(i).msg_hdr = {};
        messages.at(i).msg_hdr.msg_name = &addresses.at(i);
        messages.at(i).msg_hdr.msg_namelen =
            static_cast<socklen_t>(target.to_sockaddr(addresses.at(i)));
        messages.at(i).msg_hdr.msg_iov = &parts.at(i);
        messages.at(i).msg_hdr.msg_iovlen = 1;
      }
      for (std::size_t done = 0; done < kBatch;) {
        const int taken = ::sendmmsg(socket_.get(), messages.data() + done,
                                     static_cast<unsigned>(kBatch - done), MSG_NOSIGNAL);
        done += taken > 0 ? static_cast<std::size_t>(taken) : 1;
      }
      sent_ += kBatch;
    }
  }
  [[nodiscard]] std::size_t sent() const { return sent_; }
  [[nodiscard]] const SocketAddress& server() const { return server_; }

 private:
  static constexpr std::size_t kUdpHeader = 8;
  static void put_u16(std::vector<std::uint8_t>& octets, std::size_t at, std::uint16_t value) {
    octets[at] = static_cast<std::uint8_t>(value >> 8U);
    octets[at + 1] = static_cast<std::uint8_t>(value);
  }

  SocketAddress server_;
  UniqueFd socket_;
  std::uint16_t low_ = 32768;
  std::uint16_t high_ = 60999;
  std::mt19937_64 random_{4711};
  std::atomic<std::size_t> sent_{0};
};

TEST(Forgery, NoneIsTakenOfManyAgainstOpenQuestions) {
  const std::size_t wanted = counted(100'000, 10'000'000);
  constexpr std::size_t kEach = 25'000;
  Forger forger(loopback(free_port()));
  const ScriptedUpstream upstream(
      [&forger](const UpstreamQuery& query) {
        if (query.transport == DnsTransport::kUdp) {
          forger.flood(query, kEach);  // the question stays open as long
        }
        return reply_with(query, kTrue);
      },
      "127.0.0.1", forger.server().port);
  ResolverProgram resolver;
  resolver.start({"--upstream", upstream.address().to_string(), "--upstream-timeout", "4s"});
  std::size_t answered = 0;
  for (int i = 0; forger.sent() < wanted; ++i) {
    const auto reply = ask(resolver.dns(), {.name = fmt::format("host{}.example.org", i)});
    ASSERT_TRUE(reply.has_value());
    for (const std::string& address : reply->answer_data("A")) {
      ASSERT_EQ(address, kTrue) << "after " << forger.sent() << " forgeries";
      ++answered;
    }
  }
  EXPECT_GE(answered, 1U);
  std::cout << "forged replies sent: " << forger.sent() << ", questions answered: " << answered
            << "\n";
}

// What each thread of a process that is called "worker" has had of a processor, by its id.
std::map<std::string, std::uint64_t> worker_times(pid_t process) {
  std::map<std::string, std::uint64_t> times;
  const auto folder = fmt::format("/proc/{}/task", process);
  for (const auto& thread : std::filesystem::directory_iterator(folder)) {
    std::string name;
    std::ifstream(thread.path() / "comm") >> name;
    if (name == "worker") {
      std::ifstream(thread.path() / "schedstat") >> times[thread.path().filename().string()];
    }
  }
  return times;
}

// A client whose questions one worker gets: the kernel deals them out among the workers' sockets by
// their source port (SO_REUSEPORT), and so it stays. Which one it is shows in who works for it.
struct WorkersClient {
  UniqueFd socket;
  std::string worker;  // empty: that did not show
};
WorkersClient connect_to_worker(const ResolverProgram& resolver) {
  constexpr int kQuestions = 40;
  constexpr int kLooks = 50;
  constexpr std::uint64_t kClearly = 5;  // times as much as any other
  WorkersClient client{.socket = connect_socket(resolver.dns(), DnsTransport::kUdp), .worker = {}};
  for (int look = 0; look < kLooks && client.worker.empty(); ++look) {
    const auto before = worker_times(resolver.resolver_pid().value());
    for (int i = 0; i < kQuestions; ++i) {
      EXPECT_TRUE(send_message(client.socket.get(), DnsTransport::kUdp,
                               encode({.name = "localhost"})));  // answered by the worker itself
      EXPECT_TRUE(receive_octets(client.socket.get(), DnsTransport::kUdp).has_value());
    }
    std::uint64_t most = 0;
    std::uint64_t second = 0;
    for (const auto& [worker, time] : worker_times(resolver.resolver_pid().value())) {
      const std::uint64_t worked = time - before.at(worker);
      if (worked > most) {
        second = std::exchange(most, worked);
        client.worker = worker;
      } else {
        second = std::max(second, worked);
      }
    }
    if (most < kClearly * second) {
      client.worker.clear();
    }
  }
  return client;
}

TEST(Forgery, PortsAndIdsOfEachWorkerAreDrawnAlike) {
  const ScriptedUpstream upstream(
      [](const UpstreamQuery& query) { return reply_with(query, kTrue); });
  ResolverProgram resolver;
  constexpr std::size_t kWorkers = 2;
  constexpr std::size_t kClients = 25;      // of each
  constexpr std::size_t kQuestions = 5000;  // to each
  resolver.start(
      {"--upstream", upstream.address().to_string(), "--workers", std::to_string(kWorkers)});
  std::map<std::string, std::vector<UniqueFd>> clients;
  const auto are_enough = [&] {
    return clients.size() == kWorkers && std::ranges::all_of(clients, [](const auto& entry) {
             return entry.second.size() >= kClients;
           });
  };
  for (int i = 0; i < 1000 && !are_enough(); ++i) {
    WorkersClient client = connect_to_worker(resolver);
    if (!client.worker.empty()) {
      clients[client.worker].push_back(std::move(client.socket));
    }
  }
  ASSERT_TRUE(are_enough());

  for (std::size_t i = 0; i < kQuestions; i += kClients) {
    for (const auto& [worker, sockets] : clients) {  // all workers have questions at once
      for (std::size_t j = 0; j < kClients; ++j) {
        const auto name = fmt::format("host{}.{}.example.org", i + j, worker);
        ASSERT_TRUE(send_message(sockets[j].get(), DnsTransport::kUdp, encode({.name = name})));
      }
    }
    for (const auto& [worker, sockets] : clients) {
      for (std::size_t j = 0; j < kClients; ++j) {
        ASSERT_TRUE(receive_octets(sockets[j].get(), DnsTransport::kUdp).has_value());
      }
    }
  }

  std::vector<std::vector<UpstreamQuery>> asked;
  for (const auto& [worker, sockets] : clients) {
    auto queries = upstream.queries();
    std::erase_if(queries, [suffix = fmt::format(".{}.example.org.", worker)](const auto& query) {
      std::string name = query.name;
      std::ranges::transform(name, name.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
      });
      return !name.ends_with(suffix);
    });
    ASSERT_GE(queries.size(), kQuestions);
    queries.resize(kQuestions);
    const PortStatistics ports = port_statistics(queries);
    EXPECT_GE(ports.distinct, 4500U);
    EXPECT_GE(ports.distinct_ids, 4700U);
    EXPECT_LE(ports.chi_squared, PortStatistics::kUnlikelyChiSquared);
    EXPECT_LE(ports.chi_squared_low, PortStatistics::kUnlikelyChiSquared);
    EXPECT_LE(ports.small_steps, kQuestions / 100);
    std::cout << fmt::format(
        "worker {}: {} distinct ports, {} distinct ids, chi-squared {:.1f} and {:.1f}, {} small "
        "steps\n",
        worker, ports.distinct, ports.distinct_ids, ports.chi_squared, ports.chi_squared_low,
        ports.small_steps);
    asked.push_back(std::move(queries));
  }
  // From one and the same range: what one uses the other uses too, as often as chance has it.
  const PortComparison both = compare_ports(asked.at(0), asked.at(1));
  std::cout << fmt::format("together: chi-squared {:.1f}, {} ports in common, {:.0f} expected\n",
                           both.chi_squared, both.in_common, both.expected_in_common);
  EXPECT_LE(both.chi_squared, PortStatistics::kUnlikelyChiSquared);
  EXPECT_NEAR(static_cast<double>(both.in_common), both.expected_in_common,
              both.expected_in_common / 4);
}

}  // namespace
}  // namespace meshdns::support
