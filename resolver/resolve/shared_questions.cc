#include "resolver/resolve/shared_questions.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/sip_hash.h"
#include "resolver/resolve/shared_question.h"
#include "resolver/wire/name.h"
#include "resolver/wire/query.h"

namespace meshdns::dns {

std::uint64_t SharedQuestions::hash_of(const Query& client, std::uint64_t epoch) const {
  const NameView name = client.asked_name();
  // NOLINTNEXTLINE: filled as far as it is read.
  std::array<std::uint8_t, kMaxNameOctets + 2 * sizeof(std::uint64_t)> octets;
  fold_octets(name.octets().data(), octets.data(), name.size());
  const std::uint64_t rest = std::uint64_t{client.qtype} | std::uint64_t{client.qclass} << 16U |
                             std::uint64_t{client.dnssec_ok} << 32U |
                             std::uint64_t{client.checking_disabled()} << 33U;
  std::memcpy(octets.data() + name.size(), &rest, sizeof rest);
  std::memcpy(octets.data() + name.size() + sizeof rest, &epoch, sizeof epoch);
  return sip_hash<1, 3>(key_, std::span(octets).first(name.size() + sizeof rest + sizeof epoch));
}

SharedQuestions::Joined SharedQuestions::join(const Query& client, std::uint64_t epoch,
                                              const Waiter& waiter) {
  const std::uint64_t hash = hash_of(client, epoch);
  Shard& shard = shard_of(hash);
  const std::scoped_lock lock(shard.mutex);
  if (const auto known = shard.by_hash.find(hash);
      known != shard.by_hash.end() && known->second->equals(client, epoch)) {
    SharedQuestion& question = *known->second;
    question.waiters_.push_back(waiter);
    ++question.wanted_;
    question.repeated_ = true;
    return {.question = known->second, .is_first = false};
  }
  auto made = std::make_shared<SharedQuestion>(client, epoch);
  made->hash_ = hash;
  made->waiters_.push_back(waiter);
  made->wanted_ = 1;
  shard.by_hash.emplace(hash, made);  // unless another one has the place
  return {.question = std::move(made), .is_first = true};
}

std::vector<Waiter> SharedQuestions::unlink(Shard& shard, SharedQuestion& question) {
  const auto entry = shard.by_hash.find(question.hash_);
  if (entry != shard.by_hash.end() && entry->second.get() == &question) {
    shard.by_hash.erase(entry);
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
    erase_if(shard.by_hash, [&party](const auto& entry) {
      return entry.second->waiters_.front().party == &party;
    });
    for (auto& [hash, question] : shard.by_hash) {
      std::erase_if(question->waiters_,
                    [&party](const Waiter& waiter) { return waiter.party == &party; });
    }
  }
}

}  // namespace meshdns::dns
