// Launch: what is done once before the resolver runs: the state folder becomes ours, sockets are
// taken over or bound, rights are dropped. No thread is made here.
//
// Sockets come from a predecessor (`--take-over`), from the service manager (LISTEN_FDS), or are
// bound. Those that somebody handed over are used as they are, and nobody binds beside them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/result.h"
#include "base/socket_layer.h"
#include "base/unique_fd.h"
#include "resolver/app/config.h"
#include "resolver/app/config_loader.h"
#include "resolver/app/handover.h"
#include "resolver/app/keeper.h"
#include "resolver/app/service_manager.h"

namespace meshdns::dns {

struct Launch {
  KeptSockets sockets;
  UniqueFd lock;                           // of the state folder; nothing where that is unusable
  std::optional<Predecessor> predecessor;  // still answers, and waits for our word
  ServiceManager manager;
  std::optional<int> oom_score;
};

enum class TakeOver : std::uint8_t { kNo, kIfThere };

// `config.listen` becomes what the service manager hands over, where nobody chose it.
// kAlreadyExists when another resolver has the state folder.
[[nodiscard]] Result<Launch> prepare_launch(Config& config, ConfigSources& sources,
                                            TakeOver take_over, FileSystem& files,
                                            SocketLayer& layer);

// The DNS sockets among those of the service manager, matched by address and type to
// `config.listen` (which they replace where it is a default), and the one of admin HTTP.
// kInvalidArgument says which socket or which address has no counterpart.
[[nodiscard]] Result<KeptSockets> match_inherited(std::vector<InheritedSocket> inherited,
                                                  Config& config, const ServiceManager& manager);

}  // namespace meshdns::dns
