// A control plane of one variant, delta or state of the world, that says exactly what a test tells
// it, to one client: any bytes as messages, any end of a stream. It keeps what the client says.
//
// gRPC's threads move the bytes; every function is for the test's thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/ip_address.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {

class ScriptedAds {
 public:
  struct Options {
    std::uint16_t port = 0;     // of 127.0.0.1; 0: a free one
    std::string certificate{};  // PEM; empty: plaintext
    std::string key{};
    bool sotw = false;  // the other variant ends with UNIMPLEMENTED
  };
  ScriptedAds() : ScriptedAds(Options{}) {}
  explicit ScriptedAds(const Options& options);
  ScriptedAds(const ScriptedAds&) = delete;
  ScriptedAds& operator=(const ScriptedAds&) = delete;
  ~ScriptedAds();

  [[nodiscard]] SocketAddress address() const;

  // Forgets the stream there is and waits for the next one.
  [[nodiscard]] bool await_stream(std::chrono::milliseconds bound = kHangBound);
  // What the stream's client sent as its metadata `authorization`; "none" where it sent none.
  [[nodiscard]] std::string authorization() const;
  // What the client of the stream says next; nothing when it says nothing or is gone.
  [[nodiscard]] std::optional<envoy::service::discovery::v3::DeltaDiscoveryRequest> next_request(
      std::chrono::milliseconds bound = kHangBound);
  // The same in state of the world.
  [[nodiscard]] std::optional<envoy::service::discovery::v3::DiscoveryRequest> next_sotw_request(
      std::chrono::milliseconds bound = kHangBound);
  // One message behind those before it.
  void send(const std::string& message);
  // The stream's end, behind all messages: a status code of gRPC and its text.
  void end(int status_code, const std::string& text);
  // The next streams, of whatever method, end with UNIMPLEMENTED at once.
  void know_nothing(int streams);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace meshdns::support
