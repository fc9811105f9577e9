// The client of the aggregated discovery service: subscribes to types, hands over what arrives,
// reconnects for ever.
//
// Delta first; a server that answers UNIMPLEMENTED is spoken to in state of the world from then
// on, until it says the same to that. A lost connection changes nothing but connected(): what was
// delivered stays delivered, and the next stream tells the server what we hold. Every call and
// callback belongs to the control thread; the stream's decodes responses and posts them there.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "discovery/xds/held_versions.h"
#include "discovery/xds/metrics.h"
#include "discovery/xds/node.h"

namespace meshdns::discovery {

class AdsTransport;

// One resource of a response. `name` is empty when the protocol gave none and the type is not one
// of type_urls.h. Views live as long as the response's callback.
struct ResponseItem {
  std::string name;
  std::string version;  // delta only
  std::string_view value;
  std::string_view type_url;
};

struct ResponseView {
  std::string_view type_url;
  std::vector<ResponseItem> resources;
  std::vector<std::string> removed;
  // What is not listed is gone. False when a resource had to be refused before this view was made:
  // a response that could not be read whole removes nothing.
  bool full_state = false;
};

// A resource that the subscriber could not take. Its last good form stays in use.
struct Rejection {
  std::string name;
  std::string reason;
};

// What a connection is made with.
struct AdsCredentials {
  bool tls = false;
  std::string server_name{};      // in TLS, for the peer's own; empty: that
  std::string ca_certificates{};  // PEM; empty: the system's
  std::string certificate{};      // PEM, shown to the server; empty: none is
  std::string key{};              // the certificate's
  // Goes with the stream as its metadata `authorization`, as it is: printable ASCII. Empty: none
  // does.
  std::string token{};

  friend bool operator==(const AdsCredentials&, const AdsCredentials&) = default;
};

class AdsClient {
 public:
  struct Options {
    // "ipv4:1.2.3.4:5678", "ipv6:[::1]:5678" or "unix:/path": never a name, which gRPC would
    // resolve through what may be ourselves. Tried in order; after a loss from the first again.
    // "ipv4:1.2.3.4:5678#cp.example.org" says who that is: its authority, and in TLS its name.
    std::vector<std::string> targets;
    std::string authority;  // of targets that do not say theirs; empty: gRPC's own
    // Asked before each attempt, which an error ends; null: plaintext and no token.
    std::function<Result<AdsCredentials>()> credentials;
    // While another target than the first serves: how long until those before it are looked at
    // again, longer each time that one was reached and did not serve. 0: not before a loss.
    std::chrono::milliseconds fail_back_after{0};
    NodeInfo node;
    // Gives the node of each attempt what is known by then; null: nothing.
    std::function<void(NodeInfo& node)> complete_node;
    // Told the reason of each loss and each failed attempt, before the next; null: nobody is.
    std::function<void(const std::string& reason)> on_loss;
    Backoff::Options backoff;
    std::size_t max_receive_bytes = 64UL << 20U;
    std::chrono::milliseconds connect_timeout{5'000};
    // How long a stream may stay without a word where there are other targets: servers that have
    // nothing for a node (yet) say nothing at all.
    std::chrono::milliseconds first_response_timeout{15'000};
    // Half as often towards a server that found it too often.
    std::chrono::milliseconds keepalive_time{30'000};
    std::chrono::milliseconds keepalive_timeout{10'000};
    // How long after one ACK the next of the type waits, where the response is a small one: a
    // server that sends one response at a time then tells in it what has changed meanwhile, and
    // neither end is woken for each change. 0: not at all.
    std::chrono::milliseconds ack_pause{0};
    bool sotw_only = false;
  };

  struct ControlThread {
    // Runs a task on it, in order. Any thread.
    std::function<void(std::function<void()> task)> post;
    // Runs a task on it once, after the delay, unless what this returns is destroyed before, which
    // the task may do itself. On the control thread.
    std::function<std::shared_ptr<void>(std::chrono::milliseconds delay,
                                        std::function<void()> task)>
        run_after;
  };
  // Applies what it can and returns the rest: none is an ACK, any is a NACK that names each. A NACK
  // of the same for the same again is sent some seconds later (RefusalPace).
  using OnResponse = std::function<std::vector<Rejection>(const ResponseView&)>;
  // True when the first response of a stream has arrived, false when that stream is lost.
  using OnConnection = std::function<void(bool connected)>;

  // References outlive the client. Fails (kInvalidArgument) on no target, or one with a name in it.
  [[nodiscard]] static Result<std::unique_ptr<AdsClient>> create(const Options& options,
                                                                 ControlThread thread, Clock& clock,
                                                                 Logger& logger,
                                                                 XdsClientMetrics& metrics);
  // With a transport other than gRPC.
  AdsClient(Options options, std::unique_ptr<AdsTransport> transport, Clock& clock, Logger& logger,
            XdsClientMetrics& metrics);
  AdsClient(const AdsClient&) = delete;
  AdsClient& operator=(const AdsClient&) = delete;
  ~AdsClient();  // as stop()

  // What to ask for. `names` without `wildcard` may be empty: nothing is asked for. Once per type;
  // before or after start(). `held`: what the subscriber still has from before; the first stream
  // tells the server.
  struct Interest {
    bool wildcard = false;
    std::vector<std::string> names;
  };
  void subscribe(std::string_view type_url, const Interest& interest, OnResponse on_response,
                 HeldVersions held = {});
  // Changes a subscription's names; what left is neither delivered nor reported removed.
  void set_interest(std::string_view type_url, const Interest& interest);
  // Other targets, from the next connection on: the control plane's name has other addresses now.
  // Fails as create() does and then changes nothing.
  [[nodiscard]] Result<void> set_targets(const std::vector<std::string>& targets);
  void observe_connection(OnConnection on_connection);
  // Connects anew, at once: the node is another than the stream was begun with.
  void reconnect();

  void start();
  // Cancels the stream and waits for gRPC to let go of it. No callback runs during or after. A
  // second call does nothing.
  void stop();

  [[nodiscard]] bool connected() const;
  [[nodiscard]] std::optional<TimePoint> last_response_at() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace meshdns::discovery
