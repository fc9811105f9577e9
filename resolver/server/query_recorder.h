// QueryRecorder: what one worker tells the query log and dnstap. Hot path.
//
// There is none while both are off: the servers look at one pointer, which is null. It copies into
// rings, allocates nothing and waits for nobody.
//
// Belongs to the worker's thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>

#include "base/ip_address.h"
#include "resolver/forward/upstream_tap.h"
#include "resolver/server/dns_event.h"
#include "resolver/server/event_ring.h"

namespace meshdns::dns {

class QueryRecorder final : public UpstreamTap {
 public:
  struct Options {
    EventRing* log = nullptr;  // gets one response in `log_sample`, its question section alone
    std::uint32_t log_sample = 1;
    EventRing* dnstap = nullptr;  // gets everything, whole
  };
  // A response as its server sees it.
  struct Response {
    SocketAddress client = {};
    MessageTransport transport = MessageTransport::kUdp;
    EventSource source = EventSource::kLocal;
    SocketAddress server = {};                             // see DnsEvent
    std::optional<std::chrono::nanoseconds> elapsed = {};  // nothing: since begin()
    std::span<const std::uint8_t> message = {};
  };

  // Rings outlive the recorder.
  explicit QueryRecorder(const Options& options);

  // Questions have been received.
  void begin();
  void record_query(const SocketAddress& client, MessageTransport transport,
                    std::span<const std::uint8_t> message);
  void record_response(const Response& response);

  // Null when nobody wants to know.
  [[nodiscard]] UpstreamTap* upstream_tap() { return options_.dnstap == nullptr ? nullptr : this; }
  void on_upstream_query(const SocketAddress& server, MessageTransport transport,
                         std::span<const std::uint8_t> message) override;
  void on_upstream_reply(const SocketAddress& server, MessageTransport transport,
                         std::span<const std::uint8_t> message) override;

 private:
  [[nodiscard]] bool is_sampled();

  Options options_;
  std::chrono::steady_clock::time_point begun_;
  std::chrono::nanoseconds begun_at_{0};  // by the wall clock
  // Of each `log_sample` responses in a row one is taken, at random: every n-th would see only the
  // A or only the AAAA of clients that ask for both in turn.
  std::uint32_t place_ = 0;   // in this row
  std::uint32_t chosen_ = 0;  // of this row
  std::uint64_t random_ = 0;
};

}  // namespace meshdns::dns
