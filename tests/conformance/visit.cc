#include "tests/conformance/visit.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "tests/support/dns_client.h"
#include "tests/support/dns_message.h"
#include "tests/support/scripted_upstream.h"

namespace meshdns::conformance {
namespace {

constexpr std::uint16_t kGoodId = 0x600d;

}  // namespace

Visit::Visit(const SocketAddress& server, const support::ScriptedUpstream& upstream,
             std::chrono::milliseconds patience)
    : server_(server),
      upstream_(upstream),
      patience_(patience),
      upstream_queries_before_(upstream.queries().size()) {}

void Visit::expect(bool kept, std::string_view what) {
  if (!kept) {
    findings_.emplace_back(what);
  }
}

std::optional<Octets> Visit::receive(int socket, DnsTransport transport) {
  return receive(socket, transport, patience_);
}

std::optional<Octets> Visit::receive(int socket, DnsTransport transport,
                                     std::chrono::milliseconds bound) {
  auto octets = support::receive_octets(socket, transport, bound);
  if (octets.has_value()) {
    expect(DnsReply::decode(*octets).has_value(), "ldns cannot read the reply");
    replies_.push_back(*octets);
  }
  return octets;
}

std::optional<DnsReply> Visit::exchange(const Octets& query, DnsTransport transport) {
  const UniqueFd socket = support::connect_socket(server_, transport);
  if (!support::send_message(socket.get(), transport, query)) {
    expect(false, "the query could not be sent");
    return std::nullopt;
  }
  const auto octets = receive(socket.get(), transport);
  if (!octets.has_value()) {
    expect(false, "no reply came");
    return std::nullopt;
  }
  return DnsReply::decode(*octets);
}

bool Visit::is_ignored(const Octets& message, DnsTransport transport) {
  const UniqueFd socket = support::connect_socket(server_, transport);
  const Octets good = support::make_query("web.mesh", 1, {.id = kGoodId});
  if (!support::send_message(socket.get(), transport, message) ||
      !support::send_message(socket.get(), transport, good)) {
    return transport == DnsTransport::kTcp;
  }
  const auto first = receive(socket.get(), transport);
  if (!first.has_value()) {
    return transport == DnsTransport::kTcp;
  }
  const auto reply = DnsReply::decode(*first);
  return reply.has_value() && reply->message().id == kGoodId;
}

std::optional<DnsReply> Visit::expect_rcode(const Octets& query, unsigned rcode,
                                            DnsTransport transport) {
  auto reply = exchange(query, transport);
  if (reply.has_value()) {
    const unsigned found = full_rcode(reply->message());
    expect(found == rcode, fmt::format("rcode {} instead of {}", found, rcode));
  }
  return reply;
}

std::vector<support::UpstreamQuery> Visit::forwarded(std::string_view name) const {
  auto all = upstream_.queries();
  all.erase(all.begin(),
            std::next(all.begin(), static_cast<std::ptrdiff_t>(upstream_queries_before_)));
  std::erase_if(all, [&](const support::UpstreamQuery& query) { return query.name != name; });
  return all;
}

unsigned full_rcode(const support::JudgedMessage& message) {
  return message.rcode | message.extended_rcode << 4U;
}

}  // namespace meshdns::conformance
