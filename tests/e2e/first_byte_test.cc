// The way the whole project is for: a byte reaches a service that was named, not addressed.
#include <cstdint>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "tests/e2e/network.h"
#include "tests/e2e/python_tools.h"
#include "tests/e2e/vip_table.h"
#include "tests/support/dns_client.h"
#include "tests/support/network_namespace.h"
#include "tests/support/programs.h"

namespace meshdns::support {
namespace {

using e2e::VipListener;

constexpr char kTheByte = '*';

// A workload: takes one connection and one octet.
class OneByteServer {
 public:
  OneByteServer()
      : listener_(bind_socket(loopback(0), DnsTransport::kTcp)), thread_([this] {
          const UniqueFd connection(::accept(listener_.get(), nullptr, nullptr));
          (void)::recv(connection.get(), &received_, 1, 0);
        }) {}
  OneByteServer(const OneByteServer&) = delete;
  OneByteServer& operator=(const OneByteServer&) = delete;
  ~OneByteServer() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    if (thread_.joinable()) {
      thread_.join();
    }
  }

  [[nodiscard]] std::uint16_t port() const { return port_of(listener_.get()); }
  // What came, after the connection's end.
  [[nodiscard]] char received() {
    thread_.join();
    return received_;
  }

 private:
  UniqueFd listener_;
  char received_ = 0;
  std::thread thread_;
};

// A sidecar proxy reduced to its duty: takes one connection on a VIP, passes one octet on.
class OneByteProxy {
 public:
  OneByteProxy(const SocketAddress& vip, const SocketAddress& endpoint)
      : listener_(bind_socket(vip, DnsTransport::kTcp)), thread_([this, endpoint] {
          const UniqueFd client(::accept(listener_.get(), nullptr, nullptr));
          const UniqueFd server = connect_socket(endpoint, DnsTransport::kTcp);
          char octet = 0;
          if (::recv(client.get(), &octet, 1, 0) == 1) {
            (void)::send(server.get(), &octet, 1, MSG_NOSIGNAL);
          }
        }) {}
  OneByteProxy(const OneByteProxy&) = delete;
  OneByteProxy& operator=(const OneByteProxy&) = delete;
  ~OneByteProxy() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }

 private:
  UniqueFd listener_;
  std::thread thread_;
};

TEST(FirstByte, ReachesAServiceByItsMeshName) {
  MESHDNS_NEEDS_PRIVATE_NETWORK();
  ip("route add local 244.0.0.0/6 dev lo");
  OneByteServer workload;
  ControlPlaneProgram control_plane;
  control_plane.put(
      {.name = "echo-1", .service = "echo", .port = workload.port(), .protocol = "tcp"});
  control_plane.start();
  ResolverProgram resolver;
  resolver.start_ready(control_plane);

  // The proxy: the resolver says which VIP and ports a service has, the control plane its
  // endpoints.
  const VipListener listener = e2e::vip_listener(resolver, "echo");
  ASSERT_EQ(listener.port, workload.port());
  const SocketAddress endpoint = e2e::first_endpoint(control_plane, "default/echo");
  const OneByteProxy proxy({.ip = listener.address, .port = listener.port}, endpoint);

  // The client: it knows the name and the port.
  const auto reply = ask(resolver.dns(), {.name = "echo.mesh"});
  ASSERT_TRUE(reply.has_value());
  ASSERT_THAT(reply->answer_data("A"), testing::ElementsAre(listener.address.to_string()));
  const auto address = IpAddress::parse(reply->answer_data("A").front());
  const UniqueFd client =
      connect_socket({.ip = address.value(), .port = workload.port()}, DnsTransport::kTcp);
  ASSERT_TRUE(client.valid());
  ASSERT_EQ(::send(client.get(), &kTheByte, 1, MSG_NOSIGNAL), 1);

  EXPECT_EQ(workload.received(), kTheByte);
}

}  // namespace
}  // namespace meshdns::support
