#include "bench/query_feed.h"

#include <algorithm>

#include "bench/query_stream.h"

namespace meshdns::bench {

QueryBatch* PendingBatch::get() {
  if (!held_) {
    held_ = stream_.next(batch_);
  }
  return held_ ? &batch_ : nullptr;
}

QueryBatch* SingleQueries::next() {
  if (position_ == batch_.count) {
    position_ = 0;
    if (!stream_.next(batch_)) {
      batch_.count = 0;
      return nullptr;
    }
  }
  single_.count = 1;
  single_.query_octets = batch_.query_octets;
  std::ranges::copy(batch_.query(position_), single_.octets.begin());
  single_.kinds[0] = batch_.kinds[position_];
  single_.names[0] = batch_.names[position_];
  ++position_;
  return &single_;
}

}  // namespace meshdns::bench
