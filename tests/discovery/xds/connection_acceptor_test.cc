#include "discovery/xds/connection_acceptor.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <memory>
#include <mutex>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/details/log_msg.h>
#include <spdlog/sinks/base_sink.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "tests/support/wait_until.h"

namespace meshdns::discovery {
namespace {

using support::wait_until;
using testing::HasSubstr;

class CountingSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  [[nodiscard]] int lines() const { return lines_; }

 private:
  void sink_it_(const spdlog::details::log_msg& /*line*/) override { ++lines_; }
  void flush_() override {}

  std::atomic<int> lines_ = 0;
};

// While it is there nothing can be opened.
class NoDescriptors {
 public:
  NoDescriptors() {
    getrlimit(RLIMIT_NOFILE, &before_);
    rlimit none = before_;
    const UniqueFd first_free(::fcntl(0, F_DUPFD_CLOEXEC, 0));
    none.rlim_cur = static_cast<rlim_t>(first_free.get());
    setrlimit(RLIMIT_NOFILE, &none);
  }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;
  ~NoDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

class ConnectionAcceptorTest : public testing::Test {
 protected:
  Result<std::unique_ptr<ConnectionAcceptor>> listen(const std::string& address) {
    return ConnectionAcceptor::listen(SocketAddress::parse(address).value(),
                                      std::chrono::seconds(10), logger_);
  }
  ConnectionAcceptor::Hand keep() {
    return [this](UniqueFd connection, const SocketAddress& /*peer*/) {
      const std::lock_guard lock(mutex_);
      taken_.push_back(std::move(connection));
    };
  }
  std::size_t taken() {
    const std::lock_guard lock(mutex_);
    return taken_.size();
  }
  static UniqueFd make_socket() {
    return UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  }
  static bool connect(const UniqueFd& socket, std::uint16_t port) {
    sockaddr_storage storage{};
    const auto size = static_cast<socklen_t>(
        SocketAddress{.ip = IpAddress::parse("127.0.0.1").value(), .port = port}.to_sockaddr(
            storage));
    const auto* const name = reinterpret_cast<const sockaddr*>(&storage);  // NOLINT: as it asks
    return ::connect(socket.get(), name, size) == 0;
  }

  std::shared_ptr<CountingSink> sink_ = std::make_shared<CountingSink>();
  Logger logger_{"xds", sink_};
  std::mutex mutex_;  // guards taken_
  std::vector<UniqueFd> taken_;
};

TEST_F(ConnectionAcceptorTest, WhoConnectsWhileThereIsNoDescriptorIsTakenWhenThereIs) {
  constexpr std::size_t kClients = 20;
  const auto acceptor = listen("127.0.0.1:0").value();
  acceptor->start(keep());
  std::vector<UniqueFd> clients(kClients);
  for (UniqueFd& client : clients) {
    client = make_socket();
  }
  {
    const NoDescriptors none;
    for (const UniqueFd& client : clients) {
      ASSERT_TRUE(connect(client, acceptor->port()));
    }
    ASSERT_TRUE(wait_until([&] { return sink_->lines() > 0; }));
    EXPECT_EQ(taken(), 0U);
  }
  EXPECT_TRUE(wait_until([&] { return taken() == kClients; }));
  acceptor->stop();
  EXPECT_EQ(sink_->lines(), 1) << "said once";
}

TEST_F(ConnectionAcceptorTest, TheUnspecifiedAddressIsReachedByIpv4) {
  const auto acceptor = listen("0.0.0.0:0").value();
  acceptor->start(keep());
  const UniqueFd client = make_socket();
  ASSERT_TRUE(connect(client, acceptor->port()));
  EXPECT_TRUE(wait_until([&] { return taken() == 1; }));
}

TEST_F(ConnectionAcceptorTest, StoppedItListensNoMore) {
  const auto acceptor = listen("127.0.0.1:0").value();
  acceptor->start(keep());
  acceptor->stop();
  EXPECT_FALSE(connect(make_socket(), acceptor->port()));
  EXPECT_EQ(taken(), 0U);
}

TEST_F(ConnectionAcceptorTest, SaysWhyItCannotListen) {
  const auto first = listen("127.0.0.1:0").value();
  const auto second = listen("127.0.0.1:" + std::to_string(first->port()));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kNetwork);
  EXPECT_THAT(second.error().message, HasSubstr("in use"));
}

}  // namespace
}  // namespace meshdns::discovery
