#include "resolver/resolve/shared_questions.h"

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "resolver/resolve/shared_question.h"
#include "resolver/wire/name.h"
#include "resolver/wire/query.h"
#include "resolver/wire/sip_hash.h"

namespace meshdns::dns {

std::uint64_t SharedQuestions::hash_of(const Query& client) const {
  // Type and class differ rarely for one name: equality tells them apart.
  Name folded;
  folded.assign_folded(client.asked_name());
  return sip_hash<1, 3>(key_, folded.octets()) ^ client.qtype;
}

SharedQuestions::Joined SharedQuestions::join(const Query& client, std::uint64_t epoch,
                                              const Waiter& waiter) {
  const std::uint64_t hash = hash_of(client);
  Shard& shard = shard_of(hash);
  const std::scoped_lock lock(shard.mutex);
  const auto [begin, end] = shard.by_hash.equal_range(hash);
  for (auto entry = begin; entry != end; ++entry) {
    SharedQuestion& found = *entry->second;
    if (found.equals(client, epoch)) {
      found.waiters_.push_back(waiter);
      ++found.wanted_;
      found.repeated_ = true;
      return {.question = entry->second, .is_first = false};
    }
  }
  auto made = std::make_shared<SharedQuestion>(client, epoch);
  made->hash_ = hash;
  made->waiters_.push_back(waiter);
  made->wanted_ = 1;
  shard.by_hash.emplace(hash, made);
  return {.question = std::move(made), .is_first = true};
}

std::vector<Waiter> SharedQuestions::unlink(Shard& shard, SharedQuestion& question) {
  const auto [begin, end] = shard.by_hash.equal_range(question.hash_);
  for (auto entry = begin; entry != end; ++entry) {
    if (entry->second.get() == &question) {
      shard.by_hash.erase(entry);
      break;
    }
  }
  return std::move(question.waiters_);
}

std::vector<Waiter> SharedQuestions::end(SharedQuestion& question) {
  Shard& shard = shard_of(question.hash_);
  const std::scoped_lock lock(shard.mutex);
  return unlink(shard, question);
}

std::optional<std::vector<Waiter>> SharedQuestions::end_if_unwanted(SharedQuestion& question) {
  Shard& shard = shard_of(question.hash_);
  const std::scoped_lock lock(shard.mutex);
  if (question.is_wanted()) {
    return std::nullopt;
  }
  return unlink(shard, question);
}

void SharedQuestions::forget(const WaitingParty& party) {
  for (Shard& shard : shards_) {
    const std::scoped_lock lock(shard.mutex);
    std::erase_if(shard.by_hash, [&party](const auto& entry) {
      return entry.second->waiters_.front().party == &party;
    });
    for (auto& [hash, question] : shard.by_hash) {
      std::erase_if(question->waiters_,
                    [&party](const Waiter& waiter) { return waiter.party == &party; });
    }
  }
}

}  // namespace meshdns::dns
