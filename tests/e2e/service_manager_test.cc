// systemd's side of the resolver, played by the test: sockets that it hands over, and what it is
// told.
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <iterator>
#include <map>
#include <optional>
#include <poll.h>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "resolver/app/descriptor_channel.h"
#include "tests/support/dns_client.h"
#include "tests/support/process.h"
#include "tests/support/programs.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {
namespace {

using testing::HasSubstr;

// NOTIFY_SOCKET, and the descriptor store behind it.
class FakeManager {
 public:
  FakeManager() : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(std::begin(address.sun_path), sizeof address.sun_path - 1);
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API's own idiom.
    const auto* const raw = reinterpret_cast<const sockaddr*>(&address);
    bound_ = ::bind(socket_.get(), raw, sizeof address) == 0;
  }
  [[nodiscard]] bool is_bound() const { return bound_; }
  [[nodiscard]] std::string environment() const { return "NOTIFY_SOCKET=" + path_; }

  // Takes what was said until `words` are among it.
  [[nodiscard]] bool wait_for(const std::string& words) {
    return wait_until([&] {
      take();
      return said_.find(words) != std::string::npos;
    });
  }
  void forget_what_was_said() { said_.clear(); }
  [[nodiscard]] const std::string& said() const { return said_; }
  // What would be handed over at the next start, by name.
  [[nodiscard]] const std::multimap<std::string, UniqueFd>& store() const { return store_; }

 private:
  void take() {
    for (;;) {
      auto packet = dns::receive_packet(socket_.get(), std::chrono::milliseconds(0));
      if (!packet) {
        return;
      }
      said_ += packet->octets + "\n";
      const auto name_at = packet->octets.find("FDNAME=");
      if (name_at == std::string::npos) {
        continue;
      }
      const std::string name = packet->octets.substr(name_at + 7);
      if (packet->octets.starts_with("FDSTOREREMOVE=1")) {
        store_.erase(name);
      }
      for (UniqueFd& fd : packet->descriptors) {
        store_.emplace(name, std::move(fd));
      }
    }
  }

  TemporaryDirectory folder_;
  std::string path_ = folder_.file("notify");
  UniqueFd socket_;
  bool bound_ = false;
  std::string said_;
  std::multimap<std::string, UniqueFd> store_;
};

class ServiceManager : public testing::Test {
 protected:
  [[nodiscard]] std::vector<std::string> command(const std::vector<std::string>& flags) const {
    std::vector<std::string> argv{program_path("meshdns"), "run", "--admin", "none", "--state-dir",
                                  folder_.file("state")};
    argv.insert(argv.end(), flags.begin(), flags.end());
    return argv;
  }
  [[nodiscard]] static bool answers(const SocketAddress& server, DnsTransport transport) {
    return wait_until([&] {
      return ask(server, {.name = "web.mesh"}, transport, std::chrono::milliseconds(500))
          .has_value();
    });
  }

  TemporaryDirectory folder_;
};

TEST_F(ServiceManager, HandsOverSocketsThatAreUsedAsTheyAre) {
  const UniqueFd udp = bind_socket(loopback(0), DnsTransport::kUdp);
  const SocketAddress address = loopback(port_of(udp.get()));
  const UniqueFd tcp = bind_socket(address, DnsTransport::kTcp);
  // Whoever asks before it starts waits.
  const UniqueFd early = connect_socket(address, DnsTransport::kUdp);
  ASSERT_TRUE(send_message(early.get(), DnsTransport::kUdp, encode({.name = "web.mesh"})));
  for (const char* const workers : {"1", "3"}) {
    Process process(
        {.argv = command({"--workers", workers}), .descriptors = {tcp.get(), udp.get()}});
    EXPECT_TRUE(answers(address, DnsTransport::kUdp)) << process.standard_error();
    EXPECT_TRUE(answers(address, DnsTransport::kTcp)) << process.standard_error();
    // Over the death of the resolver, too.
    const pid_t before = process.children().at(0);
    ASSERT_EQ(::kill(before, SIGKILL), 0);
    EXPECT_TRUE(wait_until([&] {
      const auto now = process.children();
      return !now.empty() && now.back() != before;
    }));
    EXPECT_TRUE(answers(address, DnsTransport::kUdp)) << process.standard_error();
    process.signal(SIGTERM);
    EXPECT_EQ(process.wait(), 0);
  }
  EXPECT_TRUE(receive_message(early.get(), DnsTransport::kUdp).has_value());
}

TEST_F(ServiceManager, IsToldOfSocketsThatDoNotFit) {
  const UniqueFd udp = bind_socket(loopback(0), DnsTransport::kUdp);
  const SocketAddress address = loopback(port_of(udp.get()));
  const UniqueFd tcp = bind_socket(address, DnsTransport::kTcp);
  const auto refusal = [&](const std::vector<std::string>& flags, std::vector<int> descriptors) {
    Process process({.argv = command(flags), .descriptors = std::move(descriptors)});
    EXPECT_EQ(process.wait(), 1);
    return process.standard_error();
  };
  EXPECT_THAT(refusal({}, {udp.get()}), HasSubstr("has 1 UDP and 0 TCP sockets"));
  EXPECT_THAT(refusal({"--listen", "127.0.0.1:1"}, {udp.get(), tcp.get()}),
              HasSubstr("which `listen` does not name"));
  EXPECT_THAT(
      refusal({"--listen", address.to_string(), "--listen", "127.0.0.1:1"}, {udp.get(), tcp.get()}),
      HasSubstr("there is no socket for 127.0.0.1:1"));
  const TemporaryDirectory folder;
  const FakeManager other;  // a unix socket
  const UniqueFd unconnected(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_THAT(refusal({}, {unconnected.get()}), HasSubstr("nor a TCP socket that listens"));
  const UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_THAT(refusal({}, {file.get()}), HasSubstr("is no UDP or TCP socket"));
}

// With and without a process that supervises.
class ServiceManagerEither : public ServiceManager,
                             public testing::WithParamInterface<const char*> {};

TEST_P(ServiceManagerEither, HearsWhatHappens) {
  FakeManager manager;
  ASSERT_TRUE(manager.is_bound());
  const SocketAddress address = loopback(free_port());
  const std::string config = folder_.write("m.yaml", "listen: [\"" + address.to_string() + "\"]\n");
  std::vector<std::string> argv = command({"--config", config});
  if (*GetParam() != '\0') {
    argv.emplace_back(GetParam());
  }
  Process process({.argv = argv, .environment = {manager.environment(), "WATCHDOG_USEC=400000"}});
  ASSERT_TRUE(manager.wait_for("READY=1")) << process.standard_error();
  ASSERT_TRUE(manager.wait_for("WATCHDOG=1"));
  EXPECT_EQ(manager.store().size(), 2U) << "UDP and TCP";

  manager.forget_what_was_said();
  const SocketAddress other = loopback(free_port());
  (void)folder_.write("m.yaml", "listen: [\"" + other.to_string() + "\"]\n");
  process.signal(SIGHUP);
  ASSERT_TRUE(manager.wait_for("RELOADING=1\nMONOTONIC_USEC="));
  ASSERT_TRUE(manager.wait_for("READY=1")) << process.standard_error();
  ASSERT_TRUE(manager.wait_for("FDSTOREREMOVE=1"));
  EXPECT_EQ(manager.store().size(), 2U);

  process.signal(SIGTERM);
  ASSERT_TRUE(manager.wait_for("STOPPING=1"));
  EXPECT_EQ(process.wait(), 0);
}

// What systemd does when the main process dies: the descriptors it was given come back.
TEST_P(ServiceManagerEither, KeepsTheSocketsOverTheDeathOfAll) {
  FakeManager manager;
  const SocketAddress address = loopback(free_port());
  std::vector<std::string> argv = command({"--listen", address.to_string()});
  if (*GetParam() != '\0') {
    argv.emplace_back(GetParam());
  }
  {
    Process process({.argv = argv, .environment = {manager.environment()}});
    ASSERT_TRUE(manager.wait_for("READY=1")) << process.standard_error();
    process.kill();
  }
  // Nobody is there, and nobody is turned away.
  const UniqueFd waiting = connect_socket(address, DnsTransport::kTcp);
  ASSERT_TRUE(waiting.valid());
  ASSERT_TRUE(send_message(waiting.get(), DnsTransport::kTcp, encode({.name = "web.mesh"})));
  std::vector<int> descriptors;
  std::string names;
  for (const auto& [name, fd] : manager.store()) {
    descriptors.push_back(fd.get());
    names += (names.empty() ? "" : ":") + name;
  }
  ASSERT_EQ(descriptors.size(), 2U);
  const Process process({.argv = argv,
                         .environment = {manager.environment(), "LISTEN_FDNAMES=" + names},
                         .descriptors = descriptors});
  EXPECT_TRUE(receive_message(waiting.get(), DnsTransport::kTcp).has_value())
      << process.standard_error();
  EXPECT_TRUE(answers(address, DnsTransport::kUdp));
}

INSTANTIATE_TEST_SUITE_P(ServiceManagerRows, ServiceManagerEither,
                         testing::Values("", "--no-supervise"), [](const auto& row) {
                           return *row.param == '\0' ? "Supervised" : "Alone";
                         });

}  // namespace
}  // namespace meshdns::support
