// Requests to the API of a running control plane, one at a time, for the program's verbs.
//
// Blocks the thread that calls; no answer within half a minute is an error.
#pragma once

#include <cstddef>
#include <string>

#include "base/ip_address.h"
#include "base/result.h"

namespace meshdns::discovery {

struct ApiReply {
  unsigned status = 0;
  std::string body;
};

class ApiClient {
 public:
  static constexpr std::size_t kMaxReplyBytes = std::size_t{64} << 20U;

  // `address` is IP:PORT or localhost:PORT.
  [[nodiscard]] static Result<ApiClient> make(const std::string& address);

  // `path` escaped, with its query. kNetwork, naming the address, when there is no answer.
  [[nodiscard]] Result<ApiReply> ask(const std::string& method, const std::string& path,
                                     const std::string& body) const;

 private:
  explicit ApiClient(const SocketAddress& server) : server_(server) {}

  SocketAddress server_;
};

}  // namespace meshdns::discovery
