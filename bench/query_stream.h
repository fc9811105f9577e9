// Where the load generator's queries come from: batches of equally long queries, because one
// UDP_SEGMENT send carries segments of one length.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "bench/names_file.h"

namespace meshdns::bench {

enum class QueryKind : std::uint8_t { kA, kAaaa, kNxdomain, kNodata };
inline constexpr std::size_t kQueryKinds = 4;
// By their names on command lines: a, aaaa, nxdomain, nodata.
[[nodiscard]] std::map<std::string, QueryKind> query_kinds();

inline constexpr std::size_t kMaxBatch = 16;
inline constexpr std::size_t kMaxQueryOctets = 12 + 255 + 4 + 11;  // header, name, type, OPT

// One query without a name index has nothing to be compared with beyond its kind.
inline constexpr std::uint32_t kNoName = UINT32_MAX;

struct QueryBatch {
  std::size_t count = 0;
  std::size_t query_octets = 0;
  // `count` queries one behind the other; their ids are the sender's to write.
  std::array<std::uint8_t, kMaxBatch * kMaxQueryOctets> octets{};
  std::array<QueryKind, kMaxBatch> kinds{};
  std::array<std::uint32_t, kMaxBatch> names{};  // index into NamesFile, or kNoName

  [[nodiscard]] std::span<std::uint8_t> query(std::size_t i) {
    return std::span(octets).subspan(i * query_octets, query_octets);
  }
};

class QueryStream {
 public:
  QueryStream() = default;
  QueryStream(const QueryStream&) = delete;
  QueryStream& operator=(const QueryStream&) = delete;
  virtual ~QueryStream() = default;

  // Fills `batch` with at least one query. False when the stream has ended.
  [[nodiscard]] virtual bool next(QueryBatch& batch) = 0;
};

enum class Distribution : std::uint8_t { kUniform, kZipf };

struct StreamOptions {
  Distribution distribution = Distribution::kUniform;
  std::uint64_t seed = 1;
  bool edns = false;
  std::optional<QueryKind> only = std::nullopt;  // instead of the mix, where names are drawn
};

// Endless, from a pool drawn once: A 70 %, AAAA 20 %, NXDOMAIN 5 %, NODATA 5 %. Without absent
// names NXDOMAIN becomes A. `names` must outlive the stream.
[[nodiscard]] std::unique_ptr<QueryStream> make_mixed_stream(const NamesFile& names,
                                                             const StreamOptions& options);

// Every name once with A, AAAA and the NODATA type, every absent name once; then it ends.
[[nodiscard]] std::unique_ptr<QueryStream> make_complete_stream(const NamesFile& names,
                                                                const StreamOptions& options);

// Endless; no name is ever asked twice. <counter>.w.SUFFIX is expected to exist (a wildcard with A
// and AAAA), <counter>.n.SUFFIX not to. The same mix. Fails when SUFFIX is no name.
[[nodiscard]] Result<std::unique_ptr<QueryStream>> make_unique_stream(const std::string& suffix,
                                                                      const StreamOptions& options);

}  // namespace meshdns::bench
