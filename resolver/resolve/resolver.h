// Owns a question from the moment it is not ours to answer until its one reply.
//
// The reply is either the upstream's, checked and written anew for this client (never passed
// through), or SERVFAIL with an extended error (RFC 8914): 22 when no server answered, 23 when none
// could be reached, 0 when there is none to ask or too many questions wait. A question over the
// limits is refused at once and never waits in a queue.
//
// One per worker, on the worker's thread alone. [The cache and the table of equal questions in
// flight come between resolve() and the forwarder.]
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/ip_address.h"
#include "base/unique_function.h"
#include "resolver/forward/sequential_forwarder.h"
#include "resolver/forward/upstream.h"
#include "resolver/resolve/in_flight_limits.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "resolver/wire/response_writer.h"
#include "resolver/wire/transport.h"

namespace meshdns::dns {

// Never 0, never used twice by one Resolver.
using QuestionId = std::uint64_t;

struct ResolvedReply {
  QuestionId question = 0;
  std::span<const std::uint8_t> message;  // ready to send; valid during the call
  std::uint8_t rcode = 0;                 // of its header
  std::chrono::nanoseconds elapsed{0};    // since resolve()
};

// Takes the one reply. May be called from within resolve().
using ReplySink = UniqueFunction<void(const ResolvedReply&)>;

class Resolver {
 public:
  struct Options {
    SequentialForwarder::Options forward;
    std::uint16_t max_udp_payload = kOurUdpPayloadOctets;
    bool trusted_upstream = false;  // its AD means something (`options trust-ad`)
  };
  using UpstreamFactory = std::function<std::unique_ptr<Upstream>(const SocketAddress&)>;

  // Has no upstream server until set_upstreams().
  Resolver(const Options& options, UpstreamFactory make_upstream, InFlightLimits& limits,
           const Clock& clock);
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;
  // Open questions are dropped; their sinks are destroyed and not called.
  ~Resolver();

  // Takes a copy of `query`. Returns 0 when the sink has been called already.
  QuestionId resolve(const Query& query, Transport transport, const IpAddress& client,
                     ReplySink sink);
  // The client has gone: the sink is destroyed now, no further server is asked. The question counts
  // against the limits until the server that was asked is done, so that clients who come and go
  // cannot multiply questions.
  void cancel(QuestionId question);

  // New questions go to these servers, in this order; open ones finish where they are.
  void set_upstreams(std::span<const SocketAddress> servers);

  [[nodiscard]] std::size_t in_flight() const { return questions_.size(); }

 private:
  struct Question;
  // A forwarder in use or, after set_upstreams(), until its last question.
  struct Generation {
    std::unique_ptr<SequentialForwarder> forwarder;
    std::size_t open = 0;
  };

  void on_forwarded(QuestionId id, const ForwardResult& result);
  [[nodiscard]] std::size_t write_reply(const Question& question, const ForwardResult& result,
                                        std::uint8_t& rcode);
  [[nodiscard]] std::size_t write_failure(const Query& query, const ExtendedError& error,
                                          std::uint8_t& rcode);
  void drop_finished_generations();

  Options options_;
  UpstreamFactory make_upstream_;
  InFlightLimits& limits_;
  const Clock& clock_;
  QuestionId last_id_ = 0;
  std::vector<std::uint8_t> buffer_;                      // of one reply
  std::vector<std::unique_ptr<Generation>> generations_;  // the last one is in use
  std::unordered_map<QuestionId, std::unique_ptr<Question>> questions_;
};

}  // namespace meshdns::dns
