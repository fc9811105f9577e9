// AdminClient: one request to the admin HTTP of a running resolver, for the verbs that read from it
// or change it.
#pragma once

#include <chrono>
#include <string>
#include <variant>

#include "base/ip_address.h"
#include "base/result.h"

namespace meshdns::dns {

// Where it listens: TCP, or the path of its unix socket.
using AdminAddress = std::variant<SocketAddress, std::string>;

// For people: "http://127.0.0.1:19153", or the path.
[[nodiscard]] std::string to_string(const AdminAddress& address);

struct AdminRequest {
  std::string target;  // path and query
  bool is_post = false;
  std::string body;
  std::chrono::seconds timeout{10};
};

struct AdminAnswer {
  unsigned status = 0;
  std::string body;
};

// Blocks for at most the timeout. kUnavailable when nobody listens there, kPermissionDenied when
// the socket is not ours to use, kNetwork when the answer does not come.
[[nodiscard]] Result<AdminAnswer> ask_admin(const AdminAddress& address,
                                            const AdminRequest& request);

}  // namespace meshdns::dns
