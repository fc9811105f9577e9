#include "resolver/app/launch.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <unistd.h>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/descriptor_limit.h"
#include "base/file_system.h"
#include "base/ip_address.h"
#include "base/refuse.h"
#include "base/result.h"
#include "base/socket_layer.h"
#include "base/unique_fd.h"
#include "resolver/app/admin_server.h"
#include "resolver/app/config.h"
#include "resolver/app/config_loader.h"
#include "resolver/app/dns_front.h"
#include "resolver/app/handover.h"
#include "resolver/app/keeper.h"
#include "resolver/app/privileges.h"
#include "resolver/app/service_manager.h"
#include "resolver/server/listener.h"

namespace meshdns::dns {
namespace {

constexpr mode_t kFolderMode = 0700;
constexpr mode_t kFileMode = 0600;
// What a worker opens before anybody asks: its loop's three, and two sockets for each address.
constexpr std::uint64_t kLoopDescriptors = 3;
constexpr std::uint64_t kPairDescriptors = 2;

// What one address has of sockets that were handed over.
struct Sockets {
  std::vector<UniqueFd> udp;
  std::vector<UniqueFd> tcp;
  bool is_stored = true;  // all of them came from our own store
};

void give_to(const std::optional<Identity>& identity, const std::string& path) {
  if (identity) {
    // What fails here shows when the folder is used.
    std::ignore = ::lchown(path.c_str(), identity->uid, identity->gid);
  }
}

// Makes this process the only resolver on the folder. Where the folder is unusable there is nothing
// to share: the resolver itself says what is wrong with it.
Result<UniqueFd> lock_folder(const std::string& directory, const std::optional<Identity>& identity,
                             FileSystem& files) {
  const bool is_new = ::access(directory.c_str(), F_OK) != 0;
  if (!make_directories(files, directory, kFolderMode)) {
    return UniqueFd();
  }
  if (is_new) {
    give_to(identity, directory);
  }
  const std::string path = directory + "/run.lock";
  auto lock = files.open(path, O_RDWR | O_CREAT | O_NOFOLLOW, kFileMode);
  if (!lock) {
    return UniqueFd();
  }
  give_to(identity, path);
  if (const auto locked = files.lock(lock->get()); !locked) {
    if (locked.error().code != ErrorCode::kAlreadyExists) {
      return UniqueFd();
    }
    return fail(ErrorCode::kAlreadyExists,
                fmt::format("state folder: {} (is another meshdns running on this state folder? "
                            "give each an --instance or a --state-dir, or replace the one that "
                            "runs with --take-over): {}",
                            path, locked.error().message));
  }
  return *std::move(lock);
}

// The pairs of one address; an error where one half lacks.
Result<Listener> pair_up(const SocketAddress& address, Sockets sockets) {
  if (sockets.udp.size() != sockets.tcp.size()) {
    return refuse(fmt::format(
        "LISTEN_FDS: {} has {} UDP and {} TCP sockets (ListenDatagram= and ListenStream= each name "
        "an address once)",
        address.to_string(), sockets.udp.size(), sockets.tcp.size()));
  }
  Listener listener{.configured = address, .bound = address, .sockets = {}};
  for (std::size_t i = 0; i < sockets.udp.size(); ++i) {
    listener.sockets.push_back(
        {.udp = std::move(sockets.udp[i]), .tcp = std::move(sockets.tcp[i])});
  }
  return listener;
}

bool is_admin(const InheritedSocket& socket, const Config& config) {
  return socket.is_stream && config.admin_listen && socket.address == *config.admin_listen &&
         std::ranges::find(config.listen, socket.address) == config.listen.end();
}

std::vector<ListenAddress> missing_addresses(const Config& config, const KeptSockets& kept) {
  std::vector<ListenAddress> missing = wanted_addresses(config);
  std::erase_if(missing, [&](const ListenAddress& wanted) {
    return std::ranges::find(kept.listeners, wanted.address, &Listener::configured) !=
           kept.listeners.end();
  });
  return missing;
}

Result<void> bind_missing(const Config& config, SocketLayer& layer, KeptSockets& kept) {
  const auto missing = missing_addresses(config, kept);
  if (missing.empty()) {
    return {};
  }
  auto bound = bind_listeners(layer, missing, kept.workers);
  if (!bound) {
    const bool may_lack = std::ranges::all_of(missing, &ListenAddress::optional);
    if (may_lack && !kept.listeners.empty()) {
      return {};
    }
    return fail(ErrorCode::kNetwork, std::move(bound.error().message));
  }
  std::ranges::move(bound->listeners, std::back_inserter(kept.listeners));
  std::ranges::move(bound->notes, std::back_inserter(kept.notes));
  return {};
}

Result<void> prepare_all(SocketLayer& layer, const KeptSockets& kept) {
  for (const Listener& listener : kept.listeners) {
    for (const SocketPair& pair : listener.sockets) {
      if (auto done = prepare_inherited(layer, listener.bound, pair); !done) {
        return done;
      }
    }
  }
  return {};
}

// A resolver that lacks some would die at each start, or never answer. What one worker needs is
// among the least that were asked for already.
Result<void> check_descriptors(const Config& config, unsigned workers) {
  const std::uint64_t each = kLoopDescriptors + kPairDescriptors * config.listen.size();
  auto checked = check_descriptor_limit(kLeastDescriptors + std::uint64_t{workers - 1} * each);
  if (!checked) {
    return fail(fmt::format("{} workers", workers), std::move(checked.error()));
  }
  return {};
}

Result<KeptSockets> inherited_sockets(Config& config, const ServiceManager& manager) {
  auto inherited = take_inherited_sockets();
  if (!inherited) {
    return tl::unexpected(std::move(inherited.error()));
  }
  return match_inherited(*std::move(inherited), config, manager);
}

void keep_listening(const Config& config, ConfigSources& sources) {
  std::vector<std::string> texts(config.listen.size());
  std::ranges::transform(config.listen, texts.begin(), &SocketAddress::to_string);
  sources.flags.emplace_back("listen", std::move(texts));
}

// What is not to be listened on any more is let go.
KeptSockets predecessor_sockets(Predecessor& predecessor, const Config& config) {
  KeptSockets kept = std::exchange(predecessor.sockets, {});
  std::erase_if(kept.listeners, [&](const Listener& listener) {
    return std::ranges::find(config.listen, listener.configured) == config.listen.end();
  });
  return kept;
}

// Whether a socket listens where admin HTTP is to be.
bool is_at(const UniqueFd& socket, const SocketAddress& wanted) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API's own idiom.
  auto* const raw = reinterpret_cast<sockaddr*>(&storage);
  if (!socket.valid() || ::getsockname(socket.get(), raw, &size) != 0) {
    return false;
  }
  const auto address = SocketAddress::from_sockaddr(*raw);
  return address && address->ip == wanted.ip && (wanted.port == 0 || address->port == wanted.port);
}

Result<void> open_admin(const Config& config, KeptSockets& kept) {
  if (!config.admin_listen) {
    kept.admin.reset();
    return {};
  }
  if (is_at(kept.admin, *config.admin_listen)) {
    return {};
  }
  auto socket = AdminServer::bind(*config.admin_listen);
  if (!socket) {
    return fail("admin.listen", std::move(socket.error()));
  }
  kept.admin = *std::move(socket);
  return {};
}

// Nobody chose `listen`: it is what the service manager gave.
void listen_where_given(const std::map<SocketAddress, Sockets>& by_address, Config& config) {
  config.listen.clear();
  config.listen_is_default = false;
  for (const auto& [address, sockets] : by_address) {
    if (!sockets.is_stored) {
      config.listen.push_back(address);
    }
  }
}

}  // namespace

Result<KeptSockets> match_inherited(std::vector<InheritedSocket> inherited, Config& config,
                                    const ServiceManager& manager) {
  KeptSockets kept;
  std::map<SocketAddress, Sockets> by_address;
  for (InheritedSocket& socket : inherited) {
    if (is_admin(socket, config)) {
      kept.admin = std::move(socket.fd);
      continue;
    }
    Sockets& sockets = by_address[socket.address];
    sockets.is_stored = sockets.is_stored && ServiceManager::is_store_name(socket.name);
    (socket.is_stream ? sockets.tcp : sockets.udp).push_back(std::move(socket.fd));
  }
  const bool any_given =
      std::ranges::any_of(by_address, [](const auto& entry) { return !entry.second.is_stored; });
  if (any_given && config.listen_is_default) {
    listen_where_given(by_address, config);
  }
  for (auto& [address, sockets] : by_address) {
    const bool wanted = std::ranges::find(config.listen, address) != config.listen.end();
    const bool stored = sockets.is_stored;
    if (!wanted && !stored) {
      return refuse(
          fmt::format("LISTEN_FDS: there is a socket for {}, which `listen` does not name",
                      address.to_string()));
    }
    auto listener = pair_up(address, std::move(sockets));
    if (!listener && !stored) {
      return tl::unexpected(std::move(listener.error()));
    }
    if (!wanted || !listener) {
      manager.forget(address);
      continue;
    }
    kept.listeners.push_back(*std::move(listener));
  }
  if (any_given) {
    const auto missing = missing_addresses(config, kept);
    if (!missing.empty()) {
      return refuse(fmt::format(
          "LISTEN_FDS: there is no socket for {}, which `listen` names (add it to the socket unit "
          "as ListenDatagram= and ListenStream=)",
          missing.front().address.to_string()));
    }
  }
  return kept;
}

Result<Launch> prepare_launch(Config& config, ConfigSources& sources, TakeOver take_over,
                              FileSystem& files, SocketLayer& layer) {
  Launch launch;
  launch.manager = ServiceManager::from_environment();
  const auto identity = find_identity(config.user);
  if (!identity) {
    return tl::unexpected(identity.error());
  }
  if (take_over == TakeOver::kIfThere) {
    auto predecessor = ask_predecessor(config.state.directory);
    if (!predecessor) {
      return tl::unexpected(std::move(predecessor.error()));
    }
    launch.predecessor = *std::move(predecessor);
  }
  if (launch.predecessor) {
    launch.lock = std::move(launch.predecessor->lock);
    launch.sockets = predecessor_sockets(*launch.predecessor, config);
  } else {
    auto lock = lock_folder(config.state.directory, *identity, files);
    if (!lock) {
      return tl::unexpected(std::move(lock.error()));
    }
    launch.lock = *std::move(lock);
    const bool was_default = config.listen_is_default;
    auto sockets = inherited_sockets(config, launch.manager);
    if (!sockets) {
      return tl::unexpected(std::move(sockets.error()));
    }
    launch.sockets = *std::move(sockets);
    if (was_default && !config.listen_is_default) {
      keep_listening(config, sources);
    }
  }
  launch.sockets.workers = worker_count(config.workers, files);
  const auto opened = check_descriptors(config, launch.sockets.workers)
                          .and_then([&] { return prepare_all(layer, launch.sockets); })
                          .and_then([&] { return bind_missing(config, layer, launch.sockets); })
                          .and_then([&] { return open_admin(config, launch.sockets); });
  if (!opened) {
    return tl::unexpected(opened.error());
  }
  launch.oom_score = lower_oom_score();
  if (const auto& who = *identity; who) {
    if (auto became = become(*who); !became) {
      return tl::unexpected(std::move(became.error()));
    }
  }
  return launch;
}

}  // namespace meshdns::dns
