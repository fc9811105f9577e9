#include "resolver/app/dnstap_output.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <sys/uio.h>

#include "base/build_info.h"
#include "base/ip_address.h"
#include "dnstap/dnstap.pb.h"
#include "resolver/forward/upstream_tap.h"
#include "resolver/server/dns_event.h"
#include "resolver/server/event_ring.h"

namespace meshdns::dns {
namespace {

constexpr const char* kContentType = "protobuf:dnstap.Dnstap";
// Written at once.
constexpr std::size_t kMaxWaiting = 64;

dnstap::Message::Type type_of(EventKind kind) {
  switch (kind) {
    case EventKind::kClientQuery:
      break;
    case EventKind::kClientResponse:
      return dnstap::Message::CLIENT_RESPONSE;
    case EventKind::kForwarderQuery:
      return dnstap::Message::FORWARDER_QUERY;
    case EventKind::kForwarderResponse:
      return dnstap::Message::FORWARDER_RESPONSE;
  }
  return dnstap::Message::CLIENT_QUERY;
}

dnstap::SocketProtocol protocol_of(MessageTransport transport) {
  switch (transport) {
    case MessageTransport::kUdp:
      break;
    case MessageTransport::kTcp:
      return dnstap::TCP;
    case MessageTransport::kTls:
      return dnstap::DOT;
  }
  return dnstap::UDP;
}

std::string text_of(std::span<const std::uint8_t> octets) { return {octets.begin(), octets.end()}; }

struct Time {
  std::uint64_t seconds;
  std::uint32_t nanoseconds;
};

Time time_of(std::chrono::nanoseconds since_1970) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_1970);
  return {.seconds = static_cast<std::uint64_t>(seconds.count()),
          .nanoseconds = static_cast<std::uint32_t>((since_1970 - seconds).count())};
}

void set_peer(const DnsEvent& event, dnstap::Message& message) {
  const IpAddress ip = event.peer.ip.unmapped();
  message.set_socket_family(ip.is_v4() ? dnstap::INET : dnstap::INET6);
  message.set_socket_protocol(protocol_of(event.transport));
  // The asker's address is the client's; towards upstream we are the asker.
  const bool peer_asks =
      event.kind == EventKind::kClientQuery || event.kind == EventKind::kClientResponse;
  if (peer_asks) {
    message.set_query_address(text_of(ip.octets()));
    message.set_query_port(event.peer.port);
  } else {
    message.set_response_address(text_of(ip.octets()));
    message.set_response_port(event.peer.port);
  }
}

void set_query_time(std::chrono::nanoseconds at, dnstap::Message& message) {
  const Time time = time_of(at);
  message.set_query_time_sec(time.seconds);
  message.set_query_time_nsec(time.nanoseconds);
}

}  // namespace

void encode_dnstap(const EventRing::Entry& entry, const std::string& identity, std::string& frame) {
  const DnsEvent& event = entry.event;
  dnstap::Dnstap whole;
  whole.set_identity(identity);
  whole.set_version(std::string("meshdns ") + kVersion);
  whole.set_type(dnstap::Dnstap::MESSAGE);
  dnstap::Message& message = *whole.mutable_message();
  message.set_type(type_of(event.kind));
  set_peer(event, message);
  if (event.kind == EventKind::kClientQuery || event.kind == EventKind::kForwarderQuery) {
    set_query_time(event.at, message);
    message.set_query_message(entry.message.data(), entry.message.size());
  } else {
    const Time time = time_of(event.at);
    message.set_response_time_sec(time.seconds);
    message.set_response_time_nsec(time.nanoseconds);
    message.set_response_message(entry.message.data(), entry.message.size());
    if (event.kind == EventKind::kClientResponse) {
      set_query_time(event.at - event.elapsed, message);
    }
  }
  whole.SerializeToString(&frame);
}

DnstapOutput::DnstapOutput(const std::string& target, std::string identity,
                           const Environment& environment)
    : identity_(std::move(identity)),
      stream_(target, kContentType, environment.log),
      frames_(environment.frames),
      dropped_(environment.dropped),
      waiting_(kMaxWaiting) {}

void DnstapOutput::take(const EventRing::Entry& entry) {
  encode_dnstap(entry, identity_, waiting_[waiting_count_++]);
  if (waiting_count_ == kMaxWaiting) {
    flush();
  }
}

void DnstapOutput::flush() {
  if (waiting_count_ == 0) {
    return;
  }
  std::vector<iovec> frames;
  for (std::string& frame : std::span(waiting_).first(waiting_count_)) {
    frames.push_back({.iov_base = frame.data(), .iov_len = frame.size()});
  }
  (stream_.write(frames) ? frames_ : dropped_).add(waiting_count_);
  waiting_count_ = 0;
}

}  // namespace meshdns::dns
