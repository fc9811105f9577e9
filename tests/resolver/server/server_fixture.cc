#include "tests/resolver/server/server_fixture.h"

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/ip_address.h"
#include "base/log.h"
#include "discovery/service.h"
#include "resolver/server/dns_server.h"
#include "resolver/server/listener.h"
#include "resolver/snapshot/snapshot_builder.h"
#include "resolver/snapshot/snapshot_holder.h"
#include "tests/support/dns_client.h"

namespace meshdns::dns {

ServerFixture::ServerFixture()
    : logs_(Logs::create({.level = "off"}).value()), builder_(SnapshotBuilder::create({}).value()) {
  builder_->set_ready(true);
  builder_->upsert_record({.name = "backend.mesh",
                           .addresses = {IpAddress::parse("244.0.0.1").value()},
                           .ttl_seconds = 30});
  discovery::NameRecord many{.name = "many.mesh", .addresses = {}, .ttl_seconds = 30};
  for (int i = 0; i < 100; ++i) {
    many.addresses.push_back(IpAddress::parse("244.1.0." + std::to_string(i)).value());
  }
  builder_->upsert_record(many);
  snapshots_ = std::make_unique<SnapshotHolder>(builder_->build());
}

DnsServer::Options ServerFixture::default_options() {
  DnsServer::Options options;
  options.worker.drain_timeout = std::chrono::milliseconds(50);
  options.worker.tcp.check_interval = std::chrono::milliseconds(5);
  options.worker.tcp.accept_pause = std::chrono::milliseconds(5);
  options.worker.resolver.forward.turn = std::chrono::milliseconds(200);
  return options;
}

void ServerFixture::start(const DnsServer::Options& options,
                          const std::vector<std::string>& addresses) {
  std::vector<ListenAddress> wanted;
  for (const std::string& ip : addresses) {
    wanted.push_back({.address = {.ip = IpAddress::parse(ip).value(), .port = 0}});
  }
  auto bound =
      bind_listeners(sockets_, wanted, sockets_to_bind_ == 0 ? options.workers : sockets_to_bind_);
  ASSERT_TRUE(bound) << bound.error().message;
  listeners_ = std::make_unique<OwnListeners>(sockets_, options.workers);
  server_ = std::make_unique<DnsServer>(options,
                                        DnsServer::Environment{.sockets = sockets_,
                                                               .listeners = *listeners_,
                                                               .clock = clock_,
                                                               .log = logs_->logger("dns"),
                                                               .metrics = server_metrics_,
                                                               .forward_metrics = forward_metrics_,
                                                               .resolve_metrics = resolve_metrics_,
                                                               .cache = cache_,
                                                               .snapshots = *snapshots_},
                                        std::move(bound->listeners));
}

void ServerFixture::publish(const std::string& name, const std::string& address) {
  builder_->upsert_record(
      {.name = name, .addresses = {IpAddress::parse(address).value()}, .ttl_seconds = 30});
  server_->publish(builder_->build());
}

SocketAddress ServerFixture::server_at(const std::string& ip) const {
  return {.ip = IpAddress::parse(ip).value(), .port = server().port};
}

std::string ServerFixture::ask(const std::string& name, support::DnsTransport transport) const {
  const auto reply = support::ask(server(), {.name = name}, transport);
  if (!reply) {
    return "silence";
  }
  std::string result;
  for (const std::string& address : reply->answer_data("A")) {
    result += (result.empty() ? "" : " ") + address;
  }
  return result.empty() ? reply->rcode() : result;
}

}  // namespace meshdns::dns
