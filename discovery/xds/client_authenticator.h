// Who the clients of an AdsServer are, by what they show when they begin a stream: the seam to
// whoever knows.
//
// Everything here may be called on any thread, and is to be quick.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "discovery/xds/node.h"

namespace meshdns::discovery {

// One client, as long as its stream is there.
class ClientIdentity {
 public:
  using Fact = std::pair<std::string, std::string>;  // what, and its value

  ClientIdentity() = default;
  ClientIdentity(const ClientIdentity&) = delete;
  ClientIdentity& operator=(const ClientIdentity&) = delete;
  virtual ~ClientIdentity() = default;

  // Whether it may be this node. The error, kPermissionDenied, is told to the client.
  [[nodiscard]] virtual Result<void> permit(const NodeInfo& node) const = 0;
  // Whether it is still who it was. The error ends the stream with UNAUTHENTICATED and its text.
  [[nodiscard]] virtual Result<void> recheck() const = 0;
  // What an operator is shown of it: no secret.
  [[nodiscard]] virtual std::vector<Fact> describe() const = 0;
};

class ClientAuthenticator {
 public:
  ClientAuthenticator() = default;
  ClientAuthenticator(const ClientAuthenticator&) = delete;
  ClientAuthenticator& operator=(const ClientAuthenticator&) = delete;
  virtual ~ClientAuthenticator() = default;

  // `authorization`: each value of the stream's metadata of that name. The error refuses the
  // stream with UNAUTHENTICATED and its text, before anything it says is read.
  [[nodiscard]] virtual Result<std::shared_ptr<const ClientIdentity>> authenticate(
      const std::vector<std::string>& authorization) = 0;
};

}  // namespace meshdns::discovery
