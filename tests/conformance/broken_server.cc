#include "tests/conformance/broken_server.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "tests/support/dns_client.h"
#include "tests/support/scripted_upstream.h"

namespace meshdns::conformance {
namespace {

using support::DnsTransport;
using support::UpstreamQuery;

// A broken server has to fail, not to be patient.
constexpr std::chrono::milliseconds kPatience{500};
constexpr std::size_t kHeaderOctets = 12;

std::vector<Octets> one_or_none(std::optional<Octets> reply) {
  std::vector<Octets> replies;
  if (reply.has_value()) {
    replies.push_back(std::move(*reply));
  }
  return replies;
}

}  // namespace

std::optional<Octets> Behind::ask(const SocketAddress& address, const UpstreamQuery& query) const {
  const UniqueFd socket = support::connect_socket(address, query.transport);
  if (!support::send_message(socket.get(), query.transport, query.octets)) {
    return std::nullopt;
  }
  return support::receive_octets(socket.get(), query.transport, kPatience);
}

Breakage edits_reply(std::function<void(Octets& reply)> edit) {
  return [edit = std::move(edit)](const Behind& behind, const UpstreamQuery& query) {
    auto reply = behind.ask(behind.server, query);
    if (reply.has_value() && reply->size() >= kHeaderOctets) {
      edit(*reply);
    }
    return one_or_none(std::move(reply));
  };
}

Breakage edits_query(std::function<void(Octets& query)> edit) {
  return [edit = std::move(edit)](const Behind& behind, const UpstreamQuery& query) {
    UpstreamQuery changed = query;
    edit(changed.octets);
    return one_or_none(behind.ask(behind.server, changed));
  };
}

Breakage sets_bits(std::size_t offset, unsigned bits) {
  return edits_reply(
      [=](Octets& reply) { reply[offset] = static_cast<std::uint8_t>(reply[offset] | bits); });
}

Breakage clears_bits(std::size_t offset, unsigned bits) {
  return edits_reply(
      [=](Octets& reply) { reply[offset] = static_cast<std::uint8_t>(reply[offset] & ~bits); });
}

Breakage says_rcode(unsigned rcode) {
  return edits_reply(
      [=](Octets& reply) { reply[3] = static_cast<std::uint8_t>((reply[3] & 0xf0U) | rcode); });
}

Breakage copies_packets() {
  return copies_packets([](Octets&) {});
}

Breakage copies_packets(std::function<void(Octets& query)> edit) {
  return [edit = std::move(edit)](const Behind& behind, const UpstreamQuery& query) {
    UpstreamQuery changed = query;
    edit(changed.octets);
    return one_or_none(behind.ask(behind.upstream, changed));
  };
}

Breakage answers_everything() {
  return [](const Behind&, const UpstreamQuery& query) {
    Octets reply = query.octets;
    reply.resize(std::max(reply.size(), kHeaderOctets));
    reply[2] = static_cast<std::uint8_t>(reply[2] | 0x80U);  // QR
    return std::vector<Octets>{reply};
  };
}

Breakage ignores_tcp() {
  return [](const Behind& behind, const UpstreamQuery& query) {
    return query.transport == DnsTransport::kTcp ? std::vector<Octets>{}
                                                 : one_or_none(behind.ask(behind.server, query));
  };
}

Breakage is_silent() {
  return [](const Behind&, const UpstreamQuery&) { return std::vector<Octets>{}; };
}

BrokenServer::BrokenServer(const Breakage& breakage, const Behind& behind)
    : server_([breakage, behind](const UpstreamQuery& query) { return breakage(behind, query); }) {}

}  // namespace meshdns::conformance
