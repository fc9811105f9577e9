// Queries one behind the other, to be answered again and again in the same order: read in a row, so
// that their own memory does not count.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "bench/answer_check.h"
#include "bench/query_stream.h"

namespace meshdns::bench {

class QuerySeries {
 public:
  // The first `count` of the stream, or more to fill its last batch; their ids are 0.
  QuerySeries(QueryStream& stream, std::size_t count);

  [[nodiscard]] std::size_t size() const { return queries_.size(); }
  [[nodiscard]] AskedQuery operator[](std::size_t index) const {
    const Place& place = queries_[index];
    return {.kind = place.kind,
            .name = place.name,
            .octets = std::span(octets_).subspan(place.offset, place.size)};
  }

 private:
  struct Place {
    std::uint32_t offset = 0;
    std::uint16_t size = 0;
    QueryKind kind = QueryKind::kA;
    std::uint32_t name = kNoName;
  };

  std::vector<std::uint8_t> octets_;
  std::vector<Place> queries_;
};

}  // namespace meshdns::bench
