#include "bench/query_stream.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/result.h"
#include "bench/names_file.h"

namespace meshdns::bench {
namespace {

constexpr std::uint16_t kTypeA = 1;
constexpr std::uint16_t kTypeAaaa = 28;
constexpr std::uint16_t kTypeNodata = 15;  // MX: none of the names has one

// Drawn once, so that the generator's own work per query is a copy. Every one of 100,000 names is
// in it nearly twice.
constexpr std::size_t kPoolQueries = 1U << 18U;

// The mix in twentieths: 14 A, 4 AAAA, 1 NXDOMAIN, 1 NODATA.
constexpr unsigned kMixParts = 20;

QueryKind draw_kind(std::mt19937_64& random) {
  const auto part = std::uniform_int_distribution<unsigned>(0, kMixParts - 1)(random);
  if (part < 14) {
    return QueryKind::kA;
  }
  if (part < 18) {
    return QueryKind::kAaaa;
  }
  return part < 19 ? QueryKind::kNxdomain : QueryKind::kNodata;
}

std::uint16_t type_of(QueryKind kind) {
  switch (kind) {
    case QueryKind::kAaaa:
      return kTypeAaaa;
    case QueryKind::kNodata:
      return kTypeNodata;
    case QueryKind::kA:
    case QueryKind::kNxdomain:
      break;
  }
  return kTypeA;
}

// A query with id 0 and RD (RFC 1035 §4.1), as a stub resolver sends it.
std::vector<std::uint8_t> make_query(std::span<const std::uint8_t> name, std::uint16_t type,
                                     bool edns) {
  constexpr std::array<std::uint8_t, 12> kHeader = {0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0};
  std::vector<std::uint8_t> query;
  query.reserve(kHeader.size() + name.size() + 16);
  query.insert(query.end(), kHeader.begin(), kHeader.end());
  query.insert(query.end(), name.begin(), name.end());
  query.push_back(static_cast<std::uint8_t>(type >> 8U));
  query.push_back(static_cast<std::uint8_t>(type & 0xffU));
  query.push_back(0);
  query.push_back(1);
  if (edns) {
    // OPT with 1232 octets (RFC 6891 §6.1.2).
    constexpr std::array<std::uint8_t, 11> kOpt = {0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0};
    query[11] = 1;
    query.insert(query.end(), kOpt.begin(), kOpt.end());
  }
  return query;
}

struct PooledQuery {
  std::vector<std::uint8_t> octets;
  QueryKind kind = QueryKind::kA;
  std::uint32_t name = kNoName;
};

// Hands out batches that were put together beforehand.
class PooledStream final : public QueryStream {
 public:
  enum class End : std::uint8_t { kNever, kAfterOnePass };

  // Batches keep the order of `queries` as far as equal lengths allow.
  PooledStream(const std::vector<PooledQuery>& queries, End end) : end_(end) {
    std::map<std::size_t, std::vector<const PooledQuery*>> by_length;
    for (const PooledQuery& query : queries) {
      auto& waiting = by_length[query.octets.size()];
      waiting.push_back(&query);
      if (waiting.size() == kMaxBatch) {
        add_batch(waiting);
        waiting.clear();
      }
    }
    // An endless stream can do without the few that fill no batch.
    for (const auto& [length, waiting] : by_length) {
      if (!waiting.empty() && (end == End::kAfterOnePass || batches_.empty())) {
        add_batch(waiting);
      }
    }
  }

  bool next(QueryBatch& batch) override {
    if (position_ == batches_.size()) {
      if (end_ == End::kAfterOnePass) {
        return false;
      }
      position_ = 0;
    }
    const Batch& next = batches_[position_++];
    batch.count = next.count;
    batch.query_octets = next.query_octets;
    std::copy_n(octets_.begin() + static_cast<std::ptrdiff_t>(next.octets),
                next.count * next.query_octets, batch.octets.begin());
    std::copy_n(kinds_.begin() + static_cast<std::ptrdiff_t>(next.first), next.count,
                batch.kinds.begin());
    std::copy_n(names_.begin() + static_cast<std::ptrdiff_t>(next.first), next.count,
                batch.names.begin());
    return true;
  }

 private:
  struct Batch {
    std::size_t octets;  // offset into octets_
    std::size_t first;   // index into kinds_ and names_
    std::size_t count;
    std::size_t query_octets;
  };

  void add_batch(const std::vector<const PooledQuery*>& queries) {
    batches_.push_back(
        {octets_.size(), kinds_.size(), queries.size(), queries.front()->octets.size()});
    for (const PooledQuery* query : queries) {
      octets_.insert(octets_.end(), query->octets.begin(), query->octets.end());
      kinds_.push_back(query->kind);
      names_.push_back(query->name);
    }
  }

  End end_;
  std::vector<Batch> batches_;
  std::vector<std::uint8_t> octets_;
  std::vector<QueryKind> kinds_;
  std::vector<std::uint32_t> names_;
  std::size_t position_ = 0;
};

// Draws indices below `count`; the ranks of zipf (exponent 1) are given to indices at random.
class IndexDraw {
 public:
  IndexDraw(std::size_t count, Distribution distribution, std::mt19937_64& random)
      : random_(random), index_of_rank_(count) {
    std::iota(index_of_rank_.begin(), index_of_rank_.end(), 0U);
    if (distribution == Distribution::kUniform) {
      return;
    }
    std::shuffle(index_of_rank_.begin(), index_of_rank_.end(), random_);
    double total = 0;
    for (std::size_t rank = 1; rank <= count; ++rank) {
      total += 1.0 / static_cast<double>(rank);
      cumulative_.push_back(total);
    }
  }

  std::uint32_t operator()() {
    if (cumulative_.empty()) {
      return std::uniform_int_distribution<std::uint32_t>(
          0, static_cast<std::uint32_t>(index_of_rank_.size() - 1))(random_);
    }
    const double drawn = std::uniform_real_distribution<double>(0, cumulative_.back())(random_);
    const auto rank = std::ranges::upper_bound(cumulative_, drawn) - cumulative_.begin();
    return index_of_rank_[std::min(static_cast<std::size_t>(rank), index_of_rank_.size() - 1)];
  }

 private:
  std::mt19937_64& random_;
  std::vector<std::uint32_t> index_of_rank_;
  std::vector<double> cumulative_;  // empty: uniform
};

class UniqueStream final : public QueryStream {
 public:
  UniqueStream(std::vector<std::uint8_t> present_query, std::vector<std::uint8_t> absent_query,
               std::uint64_t seed)
      : present_(std::move(present_query)), absent_(std::move(absent_query)), random_(seed) {
    // Runs with different seeds share no name either.
    counter_ = random_();
  }

  bool next(QueryBatch& batch) override {
    batch.count = kMaxBatch;
    batch.query_octets = present_.size();
    for (std::size_t i = 0; i < batch.count; ++i) {
      const QueryKind kind = draw_kind(random_);
      const auto query = batch.query(i);
      std::ranges::copy(kind == QueryKind::kNxdomain ? absent_ : present_, query.begin());
      write_counter(query.subspan(kLabelOffset, kLabelOctets));
      const std::uint16_t type = type_of(kind);
      query[type_offset_] = static_cast<std::uint8_t>(type >> 8U);
      query[type_offset_ + 1] = static_cast<std::uint8_t>(type & 0xffU);
      batch.kinds[i] = kind;
      batch.names[i] = kNoName;
    }
    return true;
  }

  static constexpr std::size_t kLabelOffset = 12 + 1;
  static constexpr std::size_t kLabelOctets = 12;

  void set_type_offset(std::size_t offset) { type_offset_ = offset; }

 private:
  // 60 bits, five a letter: no repetition within any run.
  void write_counter(std::span<std::uint8_t> label) {
    constexpr std::array<char, 33> kLetters{"abcdefghijklmnopqrstuvwxyz234567"};
    std::uint64_t rest = counter_++;
    for (std::uint8_t& octet : label) {
      octet = static_cast<std::uint8_t>(kLetters.at(rest & 31U));
      rest >>= 5U;
    }
  }

  std::vector<std::uint8_t> present_;
  std::vector<std::uint8_t> absent_;
  std::mt19937_64 random_;
  std::uint64_t counter_ = 0;
  std::size_t type_offset_ = 0;
};

}  // namespace

std::map<std::string, QueryKind> query_kinds() {
  return {{"a", QueryKind::kA},
          {"aaaa", QueryKind::kAaaa},
          {"nxdomain", QueryKind::kNxdomain},
          {"nodata", QueryKind::kNodata}};
}

std::unique_ptr<QueryStream> make_mixed_stream(const NamesFile& names,
                                               const StreamOptions& options) {
  std::mt19937_64 random(options.seed);
  IndexDraw draw_present(names.present.size(), options.distribution, random);
  std::vector<PooledQuery> queries;
  queries.reserve(kPoolQueries);
  for (std::size_t i = 0; i < kPoolQueries; ++i) {
    QueryKind kind = options.only ? *options.only : draw_kind(random);
    if (kind == QueryKind::kNxdomain && names.absent.empty()) {
      kind = QueryKind::kA;
    }
    std::uint32_t index = 0;
    const BenchName* name = nullptr;
    if (kind == QueryKind::kNxdomain) {
      index = std::uniform_int_distribution<std::uint32_t>(
          0, static_cast<std::uint32_t>(names.absent.size() - 1))(random);
      name = &names.absent[index];
    } else {
      index = draw_present();
      name = &names.present[index];
    }
    queries.push_back({make_query(name->wire, type_of(kind), options.edns), kind, index});
  }
  return std::make_unique<PooledStream>(queries, PooledStream::End::kNever);
}

std::unique_ptr<QueryStream> make_complete_stream(const NamesFile& names,
                                                  const StreamOptions& options) {
  std::vector<PooledQuery> queries;
  const auto add = [&](const BenchName& name, QueryKind kind, std::size_t index) {
    queries.push_back({make_query(name.wire, type_of(kind), options.edns), kind,
                       static_cast<std::uint32_t>(index)});
  };
  for (std::size_t i = 0; i < names.present.size(); ++i) {
    for (const auto kind : {QueryKind::kA, QueryKind::kAaaa, QueryKind::kNodata}) {
      add(names.present[i], kind, i);
    }
  }
  for (std::size_t i = 0; i < names.absent.size(); ++i) {
    add(names.absent[i], QueryKind::kNxdomain, i);
  }
  return std::make_unique<PooledStream>(queries, PooledStream::End::kAfterOnePass);
}

Result<std::unique_ptr<QueryStream>> make_unique_stream(const std::string& suffix,
                                                        const StreamOptions& options) {
  const std::string label(UniqueStream::kLabelOctets, 'a');
  const auto present = name_to_wire(fmt::format("{}.w.{}", label, suffix));
  const auto absent = name_to_wire(fmt::format("{}.n.{}", label, suffix));
  if (!present || !absent) {
    return fail(ErrorCode::kInvalidArgument, suffix + " is no name to put others below");
  }
  auto stream =
      std::make_unique<UniqueStream>(make_query(*present, kTypeA, options.edns),
                                     make_query(*absent, kTypeA, options.edns), options.seed);
  stream->set_type_offset(12 + present->size());
  return stream;
}

}  // namespace meshdns::bench
