#include "resolver/server/query_recorder.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

#include <sys/random.h>

#include "base/ip_address.h"
#include "resolver/forward/upstream_tap.h"
#include "resolver/server/dns_event.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"

namespace meshdns::dns {
namespace {

constexpr std::uint64_t kDefaultSeed = 0x9e3779b97f4a7c15;

std::chrono::nanoseconds wall_time() { return std::chrono::system_clock::now().time_since_epoch(); }

}  // namespace

QueryRecorder::QueryRecorder(const Options& options) : options_(options) {
  if (::getrandom(&random_, sizeof random_, GRND_NONBLOCK) < 0 || random_ == 0) {
    random_ = kDefaultSeed;  // a sample that can be foretold is a sample
  }
}

void QueryRecorder::begin() {
  begun_ = std::chrono::steady_clock::now();
  begun_at_ = wall_time();
}

bool QueryRecorder::is_sampled() {
  if (place_ == 0) {
    // xorshift64 (Marsaglia, 2003): chance is all that is asked for.
    random_ ^= random_ << 13U;
    random_ ^= random_ >> 7U;
    random_ ^= random_ << 17U;
    chosen_ = static_cast<std::uint32_t>(random_ % options_.log_sample);
  }
  const bool sampled = place_ == chosen_;
  place_ = place_ + 1 == options_.log_sample ? 0 : place_ + 1;
  return sampled;
}

void QueryRecorder::record_query(const SocketAddress& client, MessageTransport transport,
                                 std::span<const std::uint8_t> message) {
  if (options_.dnstap != nullptr) {
    options_.dnstap->push({.kind = EventKind::kClientQuery,
                           .transport = transport,
                           .peer = client,
                           .server = {},
                           .at = begun_at_},
                          message);
  }
}

void QueryRecorder::record_response(const Response& response) {
  DnsEvent event{.kind = EventKind::kClientResponse,
                 .transport = response.transport,
                 .source = response.source,
                 .peer = response.client,
                 .server = response.server};
  if (response.elapsed) {
    event.at = wall_time();
    event.elapsed = *response.elapsed;
  } else {
    event.elapsed = std::chrono::steady_clock::now() - begun_;
    event.at = begun_at_ + event.elapsed;
  }
  if (options_.dnstap != nullptr) {
    options_.dnstap->push(event, response.message);
  }
  if (options_.log != nullptr && is_sampled()) {
    constexpr std::size_t kWanted = kHeaderOctets + Query::kMaxQuestionOctets;
    options_.log->push(event, response.message.first(std::min(response.message.size(), kWanted)));
  }
}

void QueryRecorder::on_upstream_query(const SocketAddress& server, MessageTransport transport,
                                      std::span<const std::uint8_t> message) {
  options_.dnstap->push({.kind = EventKind::kForwarderQuery,
                         .transport = transport,
                         .peer = server,
                         .server = {},
                         .at = wall_time()},
                        message);
}

void QueryRecorder::on_upstream_reply(const SocketAddress& server, MessageTransport transport,
                                      std::span<const std::uint8_t> message) {
  options_.dnstap->push({.kind = EventKind::kForwarderResponse,
                         .transport = transport,
                         .peer = server,
                         .server = {},
                         .at = wall_time()},
                        message);
}

}  // namespace meshdns::dns
