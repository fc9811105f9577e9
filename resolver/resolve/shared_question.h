// One question on its way upstream, for everybody who asked it.
//
// Thread-safe: what it asks never changes; who waits is guarded by its table's mutex; the counts
// are atomic.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "resolver/wire/query.h"

namespace meshdns::dns {

// Never 0, never used twice by one Resolver.
using QuestionId = std::uint64_t;

class WaitingParty;

// A client's question that waits for this one's result.
struct Waiter {
  WaitingParty* party = nullptr;
  QuestionId question = 0;
};

class SharedQuestion {
 public:
  // `epoch` tells sets of servers apart: nobody joins a question to servers given up since.
  SharedQuestion(const Query& client, std::uint64_t epoch);

  // What goes upstream. Nothing in it but name, type, class, DO and CD comes from a client, so that
  // it serves everyone, and nobody can make equal questions differ (CVE-2025-5994).
  [[nodiscard]] const Query& query() const { return query_; }
  // Somebody still waits.
  [[nodiscard]] bool is_wanted() const { return wanted_ != 0; }
  // It was asked again while it was under way.
  [[nodiscard]] bool is_repeated() const { return repeated_; }

  [[nodiscard]] bool equals(const Query& client, std::uint64_t epoch) const;

 private:
  friend class SharedQuestions;

  Query query_;
  std::uint64_t epoch_;
  std::uint64_t hash_ = 0;
  std::atomic<std::size_t> wanted_{0};
  std::atomic<bool> repeated_{false};
  std::vector<Waiter> waiters_;  // the first one's party does the asking
};

}  // namespace meshdns::dns
