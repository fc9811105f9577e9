#include "resolver/forward/loop_guard.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <span>
#include <string_view>

#include <sys/random.h>

#include "base/clock.h"
#include "resolver/forward/server_health.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {
namespace {

// So that an operator who meets the name knows where it comes from.
constexpr std::string_view kPrefix = "meshdns-loop-";
constexpr std::size_t kRandomOctets = 16;
constexpr std::size_t kLabelOctets = kPrefix.size() + 2 * kRandomOctets;

// There is no such top-level domain. One that is reserved (RFC 6761) would not go round: whoever
// knows it answers it.
constexpr std::array<std::uint8_t, 14> kNoDomain{12,  'm', 'e', 's', 'h', 'd', 'n',
                                                 's', '-', 'l', 'o', 'o', 'p', 0};

using Label = std::array<std::uint8_t, kLabelOctets>;

Label make_label() {
  std::array<std::uint8_t, kRandomOctets> random{};
  if (getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) {
    std::abort();  // whoever can guess the name could have a server held
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  Label label{};
  auto* end = std::ranges::copy(kPrefix, label.begin()).out;
  for (const std::uint8_t octet : random) {
    *end++ = static_cast<std::uint8_t>(kDigits[octet >> 4U]);
    *end++ = static_cast<std::uint8_t>(kDigits[octet & 0xfU]);
  }
  return label;
}

// The label in front of `question`, or of as much of its end as leaves room.
Name below(NameView question, const Label& label) {
  NameView parent = question;
  while (parent.size() + label.size() + 1 > kMaxNameOctets) {
    parent = parent.parent();
  }
  std::array<std::uint8_t, kMaxNameOctets> octets{};
  octets[0] = static_cast<std::uint8_t>(label.size());
  auto* end = std::ranges::copy(label, octets.begin() + 1).out;
  end = std::ranges::copy(parent.octets(), end).out;
  Name name;
  name.assign_folded(
      NameView(std::span(octets).first(static_cast<std::size_t>(end - octets.begin()))));
  return name;
}

bool has_prefix(NameView name) {
  const auto label = name.first_label();
  return label.size() == kLabelOctets &&
         std::ranges::equal(label.first(kPrefix.size()), kPrefix, {}, {},
                            [](char c) { return static_cast<std::uint8_t>(c); });
}

}  // namespace

LoopGuard::Probe::Probe(LoopGuard& guard, NameView question, Domain domain, ServerHealth& server)
    : guard_(guard) {
  const Name name =
      below(domain == Domain::kOfQuestion ? question : NameView(kNoDomain), make_label());
  const std::scoped_lock lock(guard_.mutex_);
  place_ = guard_.probes_.insert(guard_.probes_.end(),
                                 {.name = name, .domain = domain, .server = server});
}

bool LoopGuard::Probe::came_back() const {
  const std::scoped_lock lock(guard_.mutex_);
  return place_->came_back;
}

LoopGuard::Probe::~Probe() {
  const std::scoped_lock lock(guard_.mutex_);
  guard_.probes_.erase(place_);
}

bool LoopGuard::catches(NameView name) {
  if (!has_prefix(name)) {
    return false;
  }
  ServerHealth* server = nullptr;
  {
    const std::scoped_lock lock(mutex_);
    const auto found = std::ranges::find_if(
        probes_, [name](const Probe::Entry& probe) { return probe.name.view() == name; });
    if (found == probes_.end()) {
      return false;
    }
    found->came_back = true;
    if (found->domain == Domain::kOfQuestion) {
      return true;
    }
    server = &found->server;
  }
  if (server->hold_for_loop(clock_.now())) {
    metrics_.upstream(server->server()).loops.add();
    log_.warn(
        "an upstream server leads back to this resolver, so that questions would go round: it is "
        "not asked for a while upstream={} seconds={}",
        server->server().label(), ServerHealth::kLoopHold.count());
  }
  return true;
}

}  // namespace meshdns::dns
