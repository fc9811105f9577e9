#include "resolver/app/parent_link.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/ip_address.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "resolver/app/descriptor_channel.h"
#include "resolver/app/keeper.h"
#include "resolver/app/keeper_message.h"
#include "resolver/server/listener.h"

namespace meshdns::dns {
namespace {

// The parent does nothing else than wait for such words.
constexpr std::chrono::seconds kPatience{5};

std::optional<Keeper::Request> request_of(MessageKind kind) {
  switch (kind) {
    case MessageKind::kFreeze:
      return Keeper::Request::kFreeze;
    case MessageKind::kBegin:
      return Keeper::Request::kBegin;
    default:
      return std::nullopt;
  }
}

MessageKind kind_of(Keeper::Event event) {
  switch (event) {
    case Keeper::Event::kServing:
      return MessageKind::kServing;
    case Keeper::Event::kReloading:
      return MessageKind::kReloading;
    case Keeper::Event::kReloaded:
      return MessageKind::kReloaded;
    case Keeper::Event::kNotReloaded:
    case Keeper::Event::kStopping:
      return MessageKind::kNotReloaded;
  }
  return MessageKind::kNotReloaded;
}

}  // namespace

ParentLink::ParentLink(Options options, UniqueFd channel)
    : options_(std::move(options)), channel_(std::move(channel)) {}

KeptSockets ParentLink::take_sockets() { return std::exchange(options_.sockets, {}); }

void ParentLink::send(const KeeperMessage& message) {
  // No room: the parent is stopped; it finds out what it missed by our going on.
  static_cast<void>(send_packet(channel_.get(), encode(message), {}, std::chrono::milliseconds(0)));
}

void ParentLink::beat(std::size_t thread) {
  send({.kind = MessageKind::kBeat, .number = static_cast<std::uint32_t>(thread)});
}

void ParentLink::tell(Event event) {
  if (event != Event::kStopping) {  // the parent asked for that
    send({.kind = kind_of(event)});
  }
}

void ParentLink::keep_resolv_conf(const std::string& text) {
  send({.kind = MessageKind::kAsks, .text = text});
}

void ParentLink::tell_frozen(const Result<void>& result, Table table) {
  send({.kind = MessageKind::kFrozen,
        .number = table == Table::kWhole ? 1U : 0U,
        .text = result ? "" : result.error().message});
}

std::optional<Keeper::Request> ParentLink::next_request() {
  while (requests_.empty()) {
    const auto packet = receive_packet(channel_.get(), std::chrono::milliseconds(0));
    if (!packet || packet->octets.empty()) {
      return std::nullopt;
    }
    const auto message = decode_keeper_message(packet->octets);
    if (const auto request = message ? request_of(message->kind) : std::nullopt) {
      requests_.push_back(*request);
    }
  }
  const Request request = requests_.front();
  requests_.pop_front();
  return request;
}

Result<Listener> ParentLink::bind_one(const SocketAddress& address) {
  if (auto sent =
          send_packet(channel_.get(), encode({.kind = MessageKind::kBind, .configured = address}),
                      {}, kPatience);
      !sent) {
    return tl::unexpected(std::move(sent.error()));
  }
  Listener listener{.configured = address, .bound = address, .sockets = {}};
  for (;;) {
    auto packet = receive_packet(channel_.get(), kPatience);
    if (!packet || packet->octets.empty()) {
      return fail(ErrorCode::kNetwork, "the supervising process does not answer");
    }
    const auto message = decode_keeper_message(packet->octets);
    if (!message) {
      return tl::unexpected(message.error());
    }
    if (const auto request = request_of(message->kind)) {
      requests_.push_back(*request);
    } else if (message->kind == MessageKind::kListener) {
      listener.bound = message->bound;
      for (std::size_t i = 0; i + 1 < packet->descriptors.size(); i += 2) {
        listener.sockets.push_back({.udp = std::move(packet->descriptors[i]),
                                    .tcp = std::move(packet->descriptors[i + 1])});
      }
    } else if (message->kind == MessageKind::kBound) {
      if (message->number != 0) {
        return fail(static_cast<ErrorCode>(message->number - 1), message->text);
      }
      return listener;
    }
  }
}

Result<BoundListeners> ParentLink::bind(std::span<const ListenAddress> addresses) {
  BoundListeners bound;
  for (const ListenAddress& wanted : addresses) {
    auto listener = bind_one(wanted.address);
    if (listener) {
      bound.listeners.push_back(std::move(*listener));
    } else if (wanted.optional && listener.error().code == ErrorCode::kNotFound) {
      bound.notes.push_back(std::move(listener.error().message));
    } else {
      for (const Listener& done : bound.listeners) {
        release(done.configured);
      }
      return tl::unexpected(std::move(listener.error()));
    }
  }
  if (bound.listeners.empty()) {
    return fail(ErrorCode::kNetwork, "this host has none of the addresses to listen on");
  }
  return bound;
}

void ParentLink::release(const SocketAddress& configured) {
  static_cast<void>(send_packet(channel_.get(),
                                encode({.kind = MessageKind::kRelease, .configured = configured}),
                                {}, kPatience));
}

}  // namespace meshdns::dns
