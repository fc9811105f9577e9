// A process that is stopped for seconds, as a debugger, a frozen container or a machine that is
// moved does it, and goes on.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/types.h>

#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "tests/support/dns_client.h"
#include "tests/support/programs.h"
#include "tests/support/scripted_upstream.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// Whether no thread of it runs any more (proc(5)).
bool is_stopped(pid_t process) {
  const std::filesystem::path threads = "/proc/" + std::to_string(process) + "/task";
  return std::ranges::all_of(std::filesystem::directory_iterator(threads),
                             [](const std::filesystem::path& thread) {
                               std::ifstream status(thread / "status");
                               const std::string text(std::istreambuf_iterator<char>(status), {});
                               return text.find("State:\tT") != std::string::npos;
                             });
}

class Stopped : public testing::Test {
 protected:
  // Both processes stop for so long, while `meanwhile` happens.
  template <typename Meanwhile>
  void stop_for(milliseconds time, const Meanwhile& meanwhile) {
    const pid_t answering = resolver_.resolver_pid().value();
    const pid_t parent = resolver_.process().pid();
    ASSERT_EQ(::kill(parent, SIGSTOP), 0);
    ASSERT_EQ(::kill(answering, SIGSTOP), 0);
    ASSERT_TRUE(wait_until([&] { return is_stopped(parent) && is_stopped(answering); }));
    meanwhile();
    std::this_thread::sleep_for(time);
    ASSERT_EQ(::kill(answering, SIGCONT), 0);
    ASSERT_EQ(::kill(parent, SIGCONT), 0);
    EXPECT_EQ(resolver_.resolver_pid(), answering);
  }
  [[nodiscard]] static UniqueFd begin_asking(const SocketAddress& server, const std::string& name) {
    UniqueFd socket = connect_socket(server, DnsTransport::kUdp);
    EXPECT_TRUE(send_message(socket.get(), DnsTransport::kUdp, encode({.name = name})));
    return socket;
  }
  [[nodiscard]] static std::vector<std::string> addresses_from(const UniqueFd& socket) {
    const auto octets = receive_message(socket.get(), DnsTransport::kUdp);
    const auto reply = octets ? DnsReply::decode(*octets) : std::nullopt;
    return reply ? reply->answer_data("A") : std::vector<std::string>{"(nothing)"};
  }

  ResolverProgram resolver_;
};

// What had come within the server's turn counts, though it is read behind it.
TEST_F(Stopped, AReplyThatCameMeanwhileIsTheAnswer) {
  const ScriptedUpstream first([](const UpstreamQuery& query) {
    std::this_thread::sleep_for(milliseconds(300));
    return always_address("192.0.2.1")(query);
  });
  const ScriptedUpstream second(always_address("192.0.2.2"));
  resolver_.start(
      {"--upstream", first.address().to_string(), "--upstream", second.address().to_string()});
  const UniqueFd client = begin_asking(resolver_.dns(), "www.example.org");
  ASSERT_TRUE(wait_until([&] { return first.count(DnsTransport::kUdp) != 0; }));
  stop_for(seconds(3), [] {});
  EXPECT_THAT(addresses_from(client), ElementsAre("192.0.2.1"));
  EXPECT_EQ(second.count(DnsTransport::kUdp), 0U);
}

// However many: the server was well all the time.
TEST_F(Stopped, QuestionsThatWereLostMeanwhileMakeNoServerLookDown) {
  std::atomic<bool> speaks = false;
  const ScriptedUpstream first([&](const UpstreamQuery& query) {
    return speaks ? always_address("192.0.2.1")(query) : silence()(query);
  });
  const ScriptedUpstream second(always_address("192.0.2.2"));
  resolver_.start(
      {"--upstream", first.address().to_string(), "--upstream", second.address().to_string()});
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(begin_asking(resolver_.dns(), "n" + std::to_string(i) + ".example.org"));
  }
  ASSERT_TRUE(wait_until([&] { return first.count(DnsTransport::kUdp) >= clients.size(); }));
  stop_for(seconds(2), [&] { speaks = true; });
  for (const UniqueFd& client : clients) {
    EXPECT_THAT(addresses_from(client), Not(ElementsAre("(nothing)")));
  }
  EXPECT_EQ(resolver_.address_of("next.example.org"), "192.0.2.1");
}

TEST_F(Stopped, WhoAskedMeanwhileIsAnsweredAndWhatIsKeptHasAged) {
  const ScriptedUpstream upstream([](const UpstreamQuery& query) {
    return std::vector<std::vector<std::uint8_t>>{
        make_reply(query, "NOERROR", {query.name + " 3 IN A 192.0.2.1"})};
  });
  resolver_.start({"--upstream", upstream.address().to_string(), "--watchdog", "1s"});
  EXPECT_EQ(resolver_.address_of("www.example.org"), "192.0.2.1");
  const UniqueFd connection = connect_socket(resolver_.dns(), DnsTransport::kTcp);
  std::vector<UniqueFd> clients;
  stop_for(seconds(4), [&] {
    for (int i = 0; i < 20; ++i) {
      clients.push_back(begin_asking(resolver_.dns(), "www.example.org"));
    }
    EXPECT_TRUE(
        send_message(connection.get(), DnsTransport::kTcp, encode({.name = "www.example.org"})));
  });
  for (const UniqueFd& client : clients) {
    EXPECT_THAT(addresses_from(client), ElementsAre("192.0.2.1"));
  }
  EXPECT_TRUE(receive_message(connection.get(), DnsTransport::kTcp).has_value());
  EXPECT_EQ(upstream.count(DnsTransport::kUdp), 2U) << "what was kept was over";
  EXPECT_THAT(resolver_.log(), Not(HasSubstr("hangs")));
}

}  // namespace
}  // namespace meshdns::support
