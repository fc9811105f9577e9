// The questions on their way upstream, one per process for each (folded name, type, class, DO, CD):
// whoever asks an equal one waits for the same reply.
//
// So a popular name costs one upstream query whatever the number of clients, a forger finds one
// question open and not many (RFC 5452 section 5), and a question that a loop brings back to us
// joins itself rather than going round.
//
// Thread-safe: sharded by question, each shard behind a mutex held only to link and unlink.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "base/sip_hash.h"
#include "resolver/resolve/shared_question.h"
#include "resolver/wire/query.h"

namespace meshdns::dns {

struct SharedResult;

// One worker's resolver, as the others see it.
class WaitingParty {
 public:
  WaitingParty() = default;
  WaitingParty(const WaitingParty&) = delete;
  WaitingParty& operator=(const WaitingParty&) = delete;
  virtual ~WaitingParty() = default;
  // Gives these of its questions their result, on its own thread. Any thread.
  virtual void post_result(std::shared_ptr<const SharedResult> result,
                           std::vector<QuestionId> questions) = 0;
};

class SharedQuestions {
 public:
  SharedQuestions() = default;
  SharedQuestions(const SharedQuestions&) = delete;
  SharedQuestions& operator=(const SharedQuestions&) = delete;
  ~SharedQuestions() = default;

  struct Joined {
    std::shared_ptr<SharedQuestion> question;
    bool is_first = false;  // the waiter's party must ask it, and end it
  };
  [[nodiscard]] Joined join(const Query& client, std::uint64_t epoch, const Waiter& waiter);
  // One waiter wants it no longer; it stays among those that end() gives.
  static void leave(SharedQuestion& question) { --question.wanted_; }

  // Nobody joins any more; everybody who did.
  [[nodiscard]] std::vector<Waiter> end(SharedQuestion& question);
  // The same, unless somebody wants it.
  [[nodiscard]] std::optional<std::vector<Waiter>> end_if_unwanted(SharedQuestion& question);

  // `party`, which wants nothing any more, goes away: what it asks is dropped.
  void forget(const WaitingParty& party);

 private:
  static constexpr std::size_t kShards = 16;
  // On a cache line of its own.
  struct alignas(64) Shard {
    std::mutex mutex;  // guards the questions' waiters too
    boost::unordered_flat_map<std::uint64_t, std::shared_ptr<SharedQuestion>> by_hash;
  };

  // Of all that makes questions equal. Two with one hash, which nobody can find, are not shared.
  [[nodiscard]] std::uint64_t hash_of(const Query& client, std::uint64_t epoch) const;
  [[nodiscard]] Shard& shard_of(std::uint64_t hash) { return shards_[hash % kShards]; }
  static std::vector<Waiter> unlink(Shard& shard, SharedQuestion& question);

  HashKey key_ = HashKey::random();
  std::array<Shard, kShards> shards_;
};

}  // namespace meshdns::dns
