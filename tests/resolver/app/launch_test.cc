#include "resolver/app/launch.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "resolver/app/config.h"
#include "resolver/app/service_manager.h"
#include "resolver/server/listener.h"
#include "tests/support/dns_client.h"

namespace meshdns::dns {
namespace {

using support::DnsTransport;
using testing::HasSubstr;

enum class Protocol : std::uint8_t { kUdp, kTcp };

// Matching looks at what is said of a socket, not at the socket.
InheritedSocket inherited(const std::string& address, Protocol protocol,
                          const std::string& name = "") {
  const auto transport = protocol == Protocol::kTcp ? DnsTransport::kTcp : DnsTransport::kUdp;
  return {.fd = support::bind_socket({.ip = IpAddress::parse("127.0.0.1").value(), .port = 0},
                                     transport),
          .name = name,
          .address = SocketAddress::parse(address).value(),
          .is_stream = protocol == Protocol::kTcp};
}

std::vector<InheritedSocket> pair_at(const std::string& address, const std::string& name = "") {
  std::vector<InheritedSocket> pair;
  pair.push_back(inherited(address, Protocol::kUdp, name));
  pair.push_back(inherited(address, Protocol::kTcp, name));
  return pair;
}

Config config_at(const std::vector<std::string>& listen) {
  Config config;
  config.admin_listen.reset();
  config.listen.clear();
  config.listen_is_default = false;
  for (const std::string& address : listen) {
    config.listen.push_back(SocketAddress::parse(address).value());
  }
  return config;
}

std::string refusal(std::vector<InheritedSocket> sockets, Config config) {
  const auto kept = match_inherited(std::move(sockets), config, ServiceManager());
  return kept ? "" : kept.error().message;
}

TEST(Launch, MatchesSocketsByAddressAndType) {
  Config config = config_at({"127.0.0.1:53", "[::1]:53"});
  std::vector<InheritedSocket> sockets = pair_at("[::1]:53");
  for (InheritedSocket& socket : pair_at("127.0.0.1:53")) {
    sockets.push_back(std::move(socket));
  }
  const auto kept = match_inherited(std::move(sockets), config, ServiceManager());
  ASSERT_TRUE(kept) << kept.error().message;
  ASSERT_EQ(kept->listeners.size(), 2U);
  for (const Listener& listener : kept->listeners) {
    ASSERT_EQ(listener.sockets.size(), 1U);
    EXPECT_TRUE(listener.sockets.front().udp.valid());
    EXPECT_TRUE(listener.sockets.front().tcp.valid());
  }
}

TEST(Launch, TakesTheirAddressesWhereNobodyChoseAny) {
  Config config;
  ASSERT_TRUE(config.listen_is_default);
  const auto kept = match_inherited(pair_at("192.0.2.1:53"), config, ServiceManager());
  ASSERT_TRUE(kept) << kept.error().message;
  EXPECT_THAT(config.listen, testing::ElementsAre(SocketAddress::parse("192.0.2.1:53").value()));
  EXPECT_FALSE(config.listen_is_default);
}

TEST(Launch, SaysWhichSocketOrAddressHasNoCounterpart) {
  EXPECT_THAT(refusal(pair_at("127.0.0.1:54"), config_at({"127.0.0.1:53"})),
              HasSubstr("127.0.0.1:54, which `listen` does not name"));
  EXPECT_THAT(refusal(pair_at("127.0.0.1:53"), config_at({"127.0.0.1:53", "127.0.0.1:54"})),
              HasSubstr("no socket for 127.0.0.1:54"));
  std::vector<InheritedSocket> half;
  half.push_back(inherited("127.0.0.1:53", Protocol::kUdp));
  EXPECT_THAT(refusal(std::move(half), config_at({"127.0.0.1:53"})),
              HasSubstr("127.0.0.1:53 has 1 UDP and 0 TCP sockets"));
}

TEST(Launch, TakesTheSocketOfAdminHttpToo) {
  Config config = config_at({"127.0.0.1:53"});
  config.admin_listen = SocketAddress::parse("127.0.0.1:19153").value();
  std::vector<InheritedSocket> sockets = pair_at("127.0.0.1:53");
  sockets.push_back(inherited("127.0.0.1:19153", Protocol::kTcp));
  const auto kept = match_inherited(std::move(sockets), config, ServiceManager());
  ASSERT_TRUE(kept) << kept.error().message;
  EXPECT_TRUE(kept->admin.valid());
  EXPECT_EQ(kept->listeners.size(), 1U);
}

// What we gave the service manager ourselves binds us to nothing.
TEST(Launch, LetsStoredSocketsGoThatNobodyWants) {
  Config config = config_at({"127.0.0.1:53"});
  const SocketAddress old = SocketAddress::parse("127.0.0.1:54").value();
  const auto kept = match_inherited(pair_at("127.0.0.1:54", ServiceManager::store_name(old)),
                                    config, ServiceManager());
  ASSERT_TRUE(kept) << kept.error().message;
  EXPECT_TRUE(kept->listeners.empty()) << "127.0.0.1:53 is bound later";
}

}  // namespace
}  // namespace meshdns::dns
