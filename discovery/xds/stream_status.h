// One stream of the server as an operator sees it, as plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "discovery/xds/request.h"

namespace meshdns::discovery {

// So many are shown at most: more would hold up the thread that prints them.
inline constexpr std::size_t kMaxStreamsShown = 1000;

// What was said about one type on a stream.
struct TypeStatus {
  std::string type_url{};
  bool wildcard = false;
  std::size_t names = 0;
  std::string sent_version{};          // of the last response; empty: none was sent
  std::string sent_nonce{};            // a number; those of a stream rise, whatever the type
  std::string acknowledged_version{};  // of the last response that the client took
  std::string acknowledged_nonce{};
  bool awaits_ack = false;
  std::uint64_t lag = 0;     // changes since it was told
  std::string nack_nonce{};  // of the last response that it refused; empty: it refused none
  std::string nack_text{};   // its words, cut
};

struct StreamStatus {
  std::string node{};
  std::string zone{};
  std::string user_agent{};
  std::string peer{};  // its address, as gRPC writes it
  // Who it is known to be, as ClientIdentity::describe() says it; empty: nobody asked.
  std::vector<std::pair<std::string, std::string>> identity{};
  XdsVariant variant = XdsVariant::kSotw;
  std::vector<TypeStatus> types{};
};

}  // namespace meshdns::discovery
