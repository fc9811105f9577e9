// The verb `cache`: shows and clears what a running resolver keeps of upstream's answers.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "resolver/app/config.h"

namespace meshdns::dns {

enum class CacheAction : std::uint8_t { kStat, kDump, kLookup, kFlush };

struct CacheCommand {
  CacheAction action = CacheAction::kStat;
  std::string name;          // lookup; flush: empty for all
  bool below = false;        // flush: the names below it, too
  bool names_admin = false;  // the command line says which admin HTTP to read from
};

// What to print. kNotFound: nothing is kept of the name.
[[nodiscard]] Result<std::string> run_cache_command(const CacheCommand& command,
                                                    const Config& config);

// What a running resolver says under `target`: by the state folder's socket, or by admin HTTP where
// that is not for us or `names_admin` says so.
[[nodiscard]] Result<std::string> read_admin(const std::string& target, bool names_admin,
                                             const Config& config);

}  // namespace meshdns::dns
