// A question as a policy of forwarding sees it: what is asked, and who is told what became of it.
#pragma once

#include <cstdint>
#include <vector>

#include "base/ip_address.h"
#include "resolver/wire/query.h"

namespace meshdns::dns {

enum class ForwardStatus : std::uint8_t {
  kReply,         // `reply` answers the question; its rcode may be an error
  kTimeout,       // at least one server never spoke, and none gave a reply
  kNetworkError,  // no server could be reached at all
  kNoUpstream,    // there is none to ask
  kLoop,          // the servers that are left lead back to us
  kUnwanted,      // nobody wanted it any more
};

struct ForwardResult {
  ForwardStatus status = ForwardStatus::kNoUpstream;
  std::vector<std::uint8_t> reply;  // only for kReply
  SocketAddress server = {};        // whose reply it is; port 0: nobody's
  // Another one is asked first, and did not say: it may know names that this one does not.
  bool is_stand_in = false;
};

// One question and who asks it. Outlives its way through the forwarder.
class ForwardClient {
 public:
  ForwardClient() = default;
  ForwardClient(const ForwardClient&) = delete;
  ForwardClient& operator=(const ForwardClient&) = delete;
  virtual ~ForwardClient() = default;

  [[nodiscard]] virtual const Query& query() const = 0;
  // Somebody still waits; if not, no further server is asked.
  [[nodiscard]] virtual bool is_wanted() const = 0;
  // The same question has come in again meanwhile: maybe it is ours, which went round.
  [[nodiscard]] virtual bool is_repeated() const = 0;
  // Called once; the client may then be destroyed.
  virtual void on_forwarded(ForwardResult result) = 0;
};

}  // namespace meshdns::dns
