// One HTTP GET with nothing but a socket, for the admin endpoints of the programs.
#pragma once

#include <optional>
#include <string>

#include "base/ip_address.h"

namespace meshdns::support {

struct HttpReply {
  int status = 0;
  std::string headers;  // as received, status line included
  std::string body;
};

// Nothing when nobody answers.
[[nodiscard]] std::optional<HttpReply> http_get(const SocketAddress& server,
                                                const std::string& path);

}  // namespace meshdns::support
