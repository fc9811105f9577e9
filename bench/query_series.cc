#include "bench/query_series.h"

#include <cstddef>
#include <cstdint>

#include "bench/query_stream.h"

namespace meshdns::bench {

QuerySeries::QuerySeries(QueryStream& stream, std::size_t count) {
  QueryBatch batch;
  while (queries_.size() < count && stream.next(batch)) {
    for (std::size_t i = 0; i < batch.count; ++i) {
      const auto query = batch.query(i);
      queries_.push_back({.offset = static_cast<std::uint32_t>(octets_.size()),
                          .size = static_cast<std::uint16_t>(query.size()),
                          .kind = batch.kinds[i],
                          .name = batch.names[i]});
      octets_.insert(octets_.end(), query.begin(), query.end());
    }
  }
}

}  // namespace meshdns::bench
