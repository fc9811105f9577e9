// One stream of aggregated discovery to a control plane, on which a test says what an Envoy would
// say, word for word, and hears what comes.
//
// A thread of its own reads; every function is for the test's thread.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "envoy/service/discovery/v3/discovery.pb.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {

// `Request` and `Response` are those of delta or of state of the world.
template <typename Request, typename Response>
class XdsStream {
 public:
  // `address`: ADDRESS:PORT, plaintext.
  explicit XdsStream(const std::string& address);
  XdsStream(const XdsStream&) = delete;
  XdsStream& operator=(const XdsStream&) = delete;
  // Cancels the stream.
  ~XdsStream();

  void send(const Request& request);
  // What comes next; nothing when nothing does within the bound, or the stream ends.
  [[nodiscard]] std::optional<Response> next(std::chrono::milliseconds bound = kHangBound);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

using DeltaStream = XdsStream<envoy::service::discovery::v3::DeltaDiscoveryRequest,
                              envoy::service::discovery::v3::DeltaDiscoveryResponse>;
using SotwStream = XdsStream<envoy::service::discovery::v3::DiscoveryRequest,
                             envoy::service::discovery::v3::DiscoveryResponse>;

}  // namespace meshdns::support
