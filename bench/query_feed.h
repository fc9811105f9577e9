// How a run takes the queries of a stream: by the batch, or one by one. One thread.
#pragma once

#include <cstddef>

#include "bench/query_stream.h"

namespace meshdns::bench {

// A batch that was drawn and not sent yet is kept for the next try.
class PendingBatch {
 public:
  explicit PendingBatch(QueryStream& stream) : stream_(stream) {}

  // Null at the stream's end.
  [[nodiscard]] QueryBatch* get();
  void consume() { held_ = false; }

 private:
  QueryStream& stream_;
  QueryBatch batch_;
  bool held_ = false;
};

// Hands out the queries of batches one by one.
class SingleQueries {
 public:
  explicit SingleQueries(QueryStream& stream) : stream_(stream) {}

  // A batch of one, until the next call; null at the stream's end.
  [[nodiscard]] QueryBatch* next();

 private:
  QueryStream& stream_;
  QueryBatch batch_;
  QueryBatch single_;
  std::size_t position_ = 0;
};

}  // namespace meshdns::bench
