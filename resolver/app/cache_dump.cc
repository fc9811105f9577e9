#include "resolver/app/cache_dump.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/clock.h"
#include "resolver/app/dns_words.h"
#include "resolver/app/table_dump.h"
#include "resolver/cache/answer_cache.h"
#include "resolver/cache/cache_entry.h"
#include "resolver/wire/stored_reply.h"

namespace meshdns::dns {
namespace {

std::string type_word(std::uint16_t type) { return type == kDenialType ? "*" : type_text(type); }

std::string kind_text(const CacheItem& item) {
  switch (item.kind) {
    case ReplyKind::kAnswer:
      return "answer";
    case ReplyKind::kNoData:
      return "nodata";
    case ReplyKind::kNoSuchName:
      return "nxdomain";
    case ReplyKind::kNoTarget:
      return "alias-nxdomain";
    case ReplyKind::kFailure:
      break;
  }
  return fmt::format("failure-{}", item.rcode);
}

std::string line_of(const CacheItem& item) {
  const CachedQuestion& question = item.question;
  return fmt::format("{} {} {} {} {} {} {} {}\n", question.name.to_text(), type_word(question.type),
                     class_text(question.rrclass), question.dnssec_ok ? "do" : "-",
                     question.checking_disabled ? "cd" : "-", item.left.count(), kind_text(item),
                     item.octets);
}

}  // namespace

Pieces dump_cache(const AnswerCache& cache, TimePoint now) {
  return
      [&cache, now, shard = std::size_t{0}, head = true]() mutable -> std::optional<std::string> {
        if (std::exchange(head, false)) {
          const CacheStats stats = cache.stats();
          return fmt::format(
              "# entries {} bytes {} evictions {}\nNAME TYPE CLASS DO CD LEFT KIND BYTES\n",
              stats.entries, stats.octets, stats.evictions);
        }
        std::string piece;
        // An empty piece would end the reply.
        while (piece.empty() && shard < AnswerCache::kShards) {
          cache.for_each(shard++, now, [&](const CacheItem& item) { piece += line_of(item); });
        }
        return piece.empty() ? std::nullopt : std::optional(std::move(piece));
      };
}

}  // namespace meshdns::dns
