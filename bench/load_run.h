// The load generator's ways to ask: as fast as answers come back, by the batch or as many clients
// that know nothing of each other, or at a fixed rate. All are bounded in time and in queries in
// flight. One thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/ip_address.h"
#include "base/result.h"
#include "bench/answer_check.h"
#include "bench/query_stream.h"

namespace meshdns::bench {

struct LoadOptions {
  SocketAddress server;
  std::size_t sockets = 6;
  std::size_t slots = 32;  // of each socket
  std::chrono::nanoseconds duration{std::chrono::seconds(1)};
  std::uint64_t max_queries = UINT64_MAX;
  std::chrono::nanoseconds timeout{std::chrono::seconds(1)};  // then an answer counts as lost
};

struct LoadResult {
  std::uint64_t sent = 0;
  std::uint64_t lost = 0;     // no answer within the timeout
  std::uint64_t skipped = 0;  // was due, but every slot was taken, or the socket did not take it
  bool stream_ended = false;
  std::chrono::nanoseconds elapsed{};  // from the first query to the last answer
  // In the order of the answers; of batches none. From when a query was sent, at a fixed rate to
  // when the kernel had its answer: what keeps this program from its core is in none. The others'
  // is when it was taken.
  std::vector<std::uint32_t> latency_ns;
};

// Keeps every slot busy. Sleeps while there is nothing to send or receive.
[[nodiscard]] Result<LoadResult> run_saturated(const LoadOptions& options, QueryStream& stream,
                                               AnswerCheck& check);

// Open loop: query i is due at i / rate after the start, whatever the server does. Never sleeps.
[[nodiscard]] Result<LoadResult> run_at_rate(const LoadOptions& options, std::uint64_t rate,
                                             QueryStream& stream, AnswerCheck& check);

// Keeps every slot busy with a query that is sent by itself: `slots` in flight from each socket.
// Never sleeps, so that its own wake-up is in no figure.
[[nodiscard]] Result<LoadResult> run_singly(const LoadOptions& options, QueryStream& stream,
                                            AnswerCheck& check);

}  // namespace meshdns::bench
