// A ScriptedAds in the words of a test that does not mind which variant is spoken: it tells
// resources of a type and reads what the client answers and asks.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/scripted_ads.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {

class ScriptedXds {
 public:
  struct Request {
    std::string type_url;
    std::string node_id;
    std::string node_cluster;
    std::string nonce;  // that it answers; empty: none
    std::string error;  // of a NACK
    // Asked for: in state of the world all, of a delta the new ones.
    std::vector<std::string> names;
    std::vector<std::string> unsubscribed;
    std::map<std::string, std::string> versions;  // that the client holds
  };
  struct Resource {
    std::string name;
    std::string value;
    std::string version = "1";  // of a delta
  };

  explicit ScriptedXds(const ScriptedAds::Options& options);

  [[nodiscard]] ScriptedAds& ads() { return ads_; }
  // Waits for the next stream and forgets what was said on the one before.
  [[nodiscard]] bool await_stream(std::chrono::milliseconds bound = kHangBound);
  // What the client asks next of a type, beside its answers to responses.
  [[nodiscard]] std::optional<Request> next_ask(std::string_view type_url);
  // Sends a response and returns the client's answer to it.
  [[nodiscard]] Request tell(std::string_view type_url, const std::vector<Resource>& resources,
                             const std::vector<std::string>& removed = {});

 private:
  [[nodiscard]] std::optional<Request> next();

  bool sotw_;
  ScriptedAds ads_;
  int nonce_ = 0;
  std::deque<Request> asks_;  // that came while something else was waited for
};

}  // namespace meshdns::support
