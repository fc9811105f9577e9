// Upstream servers without sockets: attempts are recorded, and the test ends them.
#pragma once

#include <chrono>
#include <deque>
#include <utility>

#include "base/ip_address.h"
#include "resolver/forward/upstream.h"
#include "resolver/forward/upstream_server.h"
#include "resolver/wire/query.h"

namespace meshdns::support {

// One attempt that was made.
struct RecordedAttempt {
  SocketAddress server;
  const dns::Query* query = nullptr;  // alive until the attempt ends
  std::chrono::milliseconds deadline{0};
  dns::OnAttempt done;

  void end(dns::AttemptResult result) {
    auto last = std::move(done);
    last(std::move(result));
  }
};

// Attempts at all servers, in the order in which they were made; references stay valid.
using AttemptRecord = std::deque<RecordedAttempt>;

class RecordingUpstream final : public dns::Upstream {
 public:
  RecordingUpstream(const SocketAddress& server, AttemptRecord& record)
      : server_({.address = server}), record_(record) {}
  [[nodiscard]] const dns::UpstreamServer& server() const override { return server_; }
  dns::AttemptId ask(const dns::Query& query, std::chrono::milliseconds deadline,
                     dns::OnAttempt done) override {
    record_.push_back({server_.address, &query, deadline, std::move(done)});
    return record_.size();
  }
  void cancel(dns::AttemptId attempt) override {
    if (attempt - 1 < record_.size()) {
      record_[attempt - 1].done = {};
    }
  }

 private:
  dns::UpstreamServer server_;
  AttemptRecord& record_;
};

}  // namespace meshdns::support
