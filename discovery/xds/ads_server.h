// The aggregated discovery service, and those for one type each: delta and state of the world, for
// any number of streams. Beside them, for the host's own tools, the client status discovery
// service.
//
// Each stream belongs to one audience, chosen from its node at its first request, and is served
// that audience's ResourceSet. A stream has one write outstanding, built at the moment of sending
// from the newest state, and at most one response per type without its ACK: memory follows the
// resources, not the backlog of a slow client.
//
// Threads: start(), shutdown() and the destructor belong to one thread of the owner; everything
// else runs on gRPC's threads and one of our own, which pushes changes.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "discovery/xds/admission.h"
#include "discovery/xds/client_authenticator.h"
#include "discovery/xds/metrics.h"
#include "discovery/xds/node.h"
#include "discovery/xds/resource_set.h"
#include "discovery/xds/server_certificates.h"
#include "discovery/xds/stream_status.h"

namespace meshdns::discovery {

class AdsServer {
 public:
  struct Options {
    std::string listen = "127.0.0.1:5678";  // ADDRESS:PORT, no names; port 0 takes a free one
    // Loaded, and outliving the server; null: plaintext.
    const ServerCertificates* certificates = nullptr;
    // Outliving the server; null: whoever connects may say that it is any node.
    ClientAuthenticator* authenticator = nullptr;
    std::string identifier = "meshdns-cp";        // ControlPlane.identifier of each response
    std::size_t max_receive_bytes = 64UL << 20U;  // a first delta request lists every version
    // One more takes the place of the one that has been silent for longest, if one is.
    std::size_t max_streams = 20'000;
    // At one time on one connection: a client has one or a few, and a proxy of many clients opens
    // more connections. Whoever does not keep to what he is told (RFC 9113 section 5.1.2) gets no
    // more than twice as many.
    int max_streams_per_connection = 100;
    // Of requests that are begun and not whole: what one connection may have brought of them, and
    // all
    // connections together. gRPC 1.51 looks at `max_receive_bytes` when a request is whole.
    std::size_t max_unfinished_bytes_per_connection = 80UL << 20U;
    std::size_t max_unfinished_bytes = 512UL << 20U;
    // After which a call that may have begun one is asked for a sign of life, and after which it is
    // ended if it gives none.
    std::chrono::milliseconds unfinished_timeout{30'000};
    // One subscription; initial versions too, unless there are more than half as many resources.
    std::size_t max_names = 200'000;
    // All of them together, of names that the tables have no twofold of: about so much memory.
    std::size_t max_subscription_bytes = 1UL << 30U;
    std::size_t max_types = 32;                 // one stream
    std::size_t max_node_bytes = 256UL << 10U;  // the first request's Node, metadata included
    // For a connection to begin HTTP/2, after TLS where that is: so long it may take a descriptor
    // and say nothing.
    std::chrono::milliseconds handshake_timeout{10'000};
    // For a stream to say who it is for.
    std::chrono::milliseconds first_request_timeout{10'000};
    // For a connection without a stream.
    std::chrono::milliseconds idle_timeout{60'000};
    std::chrono::milliseconds keepalive_time{30'000};
    std::chrono::milliseconds keepalive_timeout{10'000};
    std::chrono::milliseconds shutdown_grace{500};
  };

  // Called once per stream, on a thread of gRPC's, so it must be thread-safe and quick. An error
  // ends the stream with its text and the matching status: kInvalidArgument, kPermissionDenied,
  // kNotFound, kUnavailable, kExhausted; anything else is INTERNAL.
  using AudienceFor = std::function<Result<Admission>(const NodeInfo&)>;

  // Listens and serves. kInvalidArgument when `listen` does not parse, kNetwork when the address
  // cannot be bound. `logger` and `metrics` outlive the server.
  [[nodiscard]] static Result<std::unique_ptr<AdsServer>> start(const Options& options,
                                                                AudienceFor audience_for,
                                                                Logger& logger,
                                                                XdsServerMetrics& metrics);
  AdsServer(const AdsServer&) = delete;
  AdsServer& operator=(const AdsServer&) = delete;
  ~AdsServer();  // as shutdown()

  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] std::size_t streams() const;
  // What is said on the open streams, of `limit` of them at most. Any thread may ask.
  [[nodiscard]] std::vector<StreamStatus> statuses(std::size_t limit) const;
  // Ends the streams of clients that are no longer who they were. Any thread may ask.
  void recheck_clients();
  // Ends every stream with UNAVAILABLE, waits at most the grace, then cuts. No callback runs after
  // it returns. A second call does nothing.
  void shutdown();

 private:
  struct Impl;
  explicit AdsServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace meshdns::discovery
