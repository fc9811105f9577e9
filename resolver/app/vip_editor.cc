#include "resolver/app/vip_editor.h"

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "base/result.h"
#include "discovery/service.h"
#include "resolver/app/service_entries.h"
#include "resolver/app/service_lease_key.h"
#include "vip/key.h"
#include "vip/lease_record.h"
#include "vip/lease_store.h"
#include "vip/pin.h"

namespace meshdns::dns {
namespace {

constexpr std::size_t kMaxWishes = 1'000'000;

template <typename Items>
std::string joined(const Items& items, std::string_view separator) {
  return fmt::format("{}", fmt::join(items, separator));
}

// Both families of a lease or a pin, for people.
std::string print_addresses(const std::optional<IpAddress>& ipv4,
                            const std::optional<IpAddress>& ipv6) {
  std::vector<std::string> texts;
  for (const auto& address : {ipv4, ipv6}) {
    if (address) {
      texts.push_back(address->to_string());
    }
  }
  return joined(texts, ", ");
}

// Adds an address to a pin; what is wrong with it, or nothing.
std::string add_address(const YAML::Node& node, vip::Pin& pin) {
  if (!node.IsScalar()) {
    return "its value is no address";
  }
  const auto address = IpAddress::parse(node.as<std::string>());
  if (!address) {
    return fmt::format("'{}' is no address", escape_text(node.as<std::string>()));
  }
  auto& place = address->is_v4() ? pin.ipv4 : pin.ipv6;
  if (place) {
    return "has two addresses of one family; a service has one of each";
  }
  place = address;
  return {};
}

std::string add_addresses(const YAML::Node& node, vip::Pin& pin) {
  if (!node.IsSequence()) {
    return add_address(node, pin);
  }
  for (const YAML::Node& item : node) {
    if (auto problem = add_address(item, pin); !problem.empty()) {
      return problem;
    }
  }
  return pin.ipv4 || pin.ipv6 ? std::string() : "has no address";
}

Result<YAML::Node> parse_json(const std::string& json) {
  try {
    return YAML::Load(json);  // YAML contains JSON
  } catch (const YAML::Exception& error) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("this is no JSON: {}", escape_text(error.what())));
  }
}

// Whole seconds, upwards.
std::string print_seconds(std::chrono::nanoseconds time) {
  return fmt::format("{} s", std::chrono::ceil<std::chrono::seconds>(time).count());
}

}  // namespace

VipEditor::VipEditor(vip::LeaseStore& leases, std::string mesh, std::vector<IpPrefix> pools,
                     std::function<Services()> services)
    : leases_(leases),
      mesh_(std::move(mesh)),
      pools_(std::move(pools)),
      services_(std::move(services)) {}

Result<discovery::ServiceId> VipEditor::parse_name(const std::string& text) const {
  const auto slash = text.find('/');
  discovery::ServiceId id{slash == std::string::npos ? mesh_ : text.substr(0, slash),
                          slash == std::string::npos ? text : text.substr(slash + 1)};
  if (id.mesh.empty() || id.name.empty() || service_lease_key(id).size() > vip::kMaxKeyOctets) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is no name of a service; write SERVICE or MESH/SERVICE",
                            escape_name(text)));
  }
  return id;
}

Result<std::vector<VipEditor::Wish>> VipEditor::parse_wishes(const std::string& json) const {
  const auto document = parse_json(json);
  if (!document) {
    return tl::unexpected(document.error());
  }
  if (!document->IsMap() || document->size() == 0) {
    return fail(ErrorCode::kInvalidArgument,
                R"(there is no name in it; it must look like {"web": "244.0.0.7"})");
  }
  if (document->size() > kMaxWishes) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("it has more than {} names; split it", kMaxWishes));
  }
  std::vector<Wish> wishes;
  std::vector<std::string> problems;
  for (const auto& item : *document) {
    const std::string name = item.first.IsScalar() ? item.first.as<std::string>() : std::string();
    Wish wish{name, {}};
    const auto id = parse_name(name);
    const std::string problem =
        id ? add_addresses(item.second, wish.pin) : std::string(id.error().message);
    if (!problem.empty()) {
      problems.push_back(escape_name(name) + ": " + problem);
      continue;
    }
    wish.pin.key = service_lease_key(*id);
    wishes.push_back(std::move(wish));
  }
  if (!problems.empty()) {
    return fail(ErrorCode::kInvalidArgument, joined(problems, "\n"));
  }
  return wishes;
}

// Without our own mesh.
std::string VipEditor::readable(std::string_view key) const {
  const auto id = service_of_lease_key(key);
  if (!id) {
    return "a service that was pinned to another";
  }
  return escape_name(id->mesh == mesh_ ? id->name : id->to_string());
}

std::string VipEditor::explain(const vip::PinRefusal& refusal) const {
  using Reason = vip::PinRefusal::Reason;
  const std::string address = refusal.address.to_string();
  switch (refusal.reason) {
    case Reason::kOutsidePool: {
      std::vector<std::string> pools;
      pools.reserve(pools_.size());
      for (const IpPrefix& pool : pools_) {
        pools.push_back(pool.to_string());
      }
      return fmt::format(
          "{} is outside of {}; set vip.ipv4_pool or vip.ipv6_pool to a block that "
          "has it",
          address, joined(pools, " and "));
    }
    case Reason::kPoolEdge:
      return address + " is the first or last of its pool, which are never used; choose another";
    case Reason::kHeld:
      return fmt::format("{} belongs to {}; choose another", address, readable(refusal.holder));
    case Reason::kQuarantined:
      return fmt::format(
          "{} was the address of {} and is in quarantine for another {}; wait, or "
          "choose another",
          address, readable(refusal.holder), print_seconds(refusal.remaining));
    case Reason::kHasLease:
      return fmt::format("has {} already; `meshdns vip pin --force` takes {} instead",
                         refusal.has.value_or(IpAddress()).to_string(), address);
    case Reason::kRepeated:
      return fmt::format("the name or {} stands there twice; leave one out", address);
  }
  return "refused";
}

std::vector<std::string> VipEditor::conflicts_with_feeds(const std::vector<Wish>& wishes) const {
  const ServiceEntries* const entries = services_().entries;
  if (entries == nullptr) {
    return {};
  }
  std::map<IpAddress, std::string> given;
  std::map<std::string, std::string> given_names;
  entries->for_each([&](const ServiceEntry& entry) {
    for (const IpAddress& address : entry.service.addresses) {
      given.emplace(address, service_lease_key(entry.service.id));
      given_names.emplace(service_lease_key(entry.service.id), address.to_string());
    }
  });
  std::vector<std::string> conflicts;
  for (const Wish& wish : wishes) {
    if (const auto own = given_names.find(wish.pin.key); own != given_names.end()) {
      conflicts.push_back(fmt::format("{}: the control plane gives it {}; change it there",
                                      escape_name(wish.name), own->second));
      continue;
    }
    for (const auto& address : {wish.pin.ipv4, wish.pin.ipv6}) {
      const auto other = address ? given.find(*address) : given.end();
      if (address && other != given.end()) {
        conflicts.push_back(fmt::format("{}: the control plane gives {} to {}; choose another",
                                        escape_name(wish.name), address->to_string(),
                                        readable(other->second)));
      }
    }
  }
  return conflicts;
}

std::vector<std::string> VipEditor::problems(const std::vector<Wish>& wishes,
                                             vip::PinMode mode) const {
  std::vector<vip::Pin> pins;
  pins.reserve(wishes.size());
  for (const Wish& wish : wishes) {
    pins.push_back(wish.pin);
  }
  std::vector<std::string> lines = conflicts_with_feeds(wishes);
  for (const vip::PinRefusal& refusal : leases_.refusals(pins, mode)) {
    lines.push_back(escape_name(wishes[refusal.pin].name) + ": " + explain(refusal));
  }
  return lines;
}

void VipEditor::fulfil(const std::vector<Wish>& wishes, vip::PinMode mode,
                       const std::string& report, Done done) {
  if (const auto possible = leases_.can_record(); !possible) {
    done(tl::unexpected(possible.error()));
    return;
  }
  if (const auto lines = problems(wishes, mode); !lines.empty()) {
    done(fail(ErrorCode::kAlreadyExists, joined(lines, "\n")));
    return;
  }
  std::vector<vip::Pin> pins;
  pins.reserve(wishes.size());
  for (const Wish& wish : wishes) {
    pins.push_back(wish.pin);
  }
  leases_.pin(pins);
  leases_.confirm([report, done = std::move(done)](const Result<void>& recorded) {
    done(recorded ? Result<std::string>(report)
                  : fail("not on disk yet; it is tried again and told to nobody before",
                         recorded.error()));
  });
}

void VipEditor::pin(const std::string& json, vip::PinMode mode, Done done) {
  const auto wishes = parse_wishes(json);
  if (!wishes) {
    done(tl::unexpected(wishes.error()));
    return;
  }
  std::string report;
  for (const Wish& wish : *wishes) {
    report += fmt::format("{} has {}\n", escape_name(wish.name),
                          print_addresses(wish.pin.ipv4, wish.pin.ipv6));
  }
  fulfil(*wishes, mode, report, std::move(done));
}

void VipEditor::import(const std::string& json, Done done) {
  const auto wishes = parse_wishes(json);
  if (!wishes) {
    done(tl::unexpected(wishes.error()));
    return;
  }
  fulfil(*wishes, vip::PinMode::kOnlyWithoutLease,
         fmt::format("imported the addresses of {} services\n", wishes->size()), std::move(done));
}

void VipEditor::release(const std::string& json, Done done) {
  const auto document = parse_json(json);
  const bool is_name =
      document && document->IsSequence() && document->size() == 1 && (*document)[0].IsScalar();
  const auto id = is_name ? parse_name((*document)[0].as<std::string>())
                          : fail(ErrorCode::kInvalidArgument,
                                 R"(one name is released at a time; it must look like ["web"])");
  if (!id) {
    done(tl::unexpected(id.error()));
    return;
  }
  const std::string name = escape_name(id->mesh == mesh_ ? id->name : id->to_string());
  const auto refuse = [&](ErrorCode code, const std::string& reason) {
    done(fail(code, name + ": " + reason));
  };
  const Services services = services_();
  if (services.are_awaited) {
    refuse(ErrorCode::kAlreadyExists,
           "which services exist is not known before the control plane has spoken; try again once "
           "/readyz says ready");
    return;
  }
  if (services.entries != nullptr && services.entries->contains(*id)) {
    refuse(
        ErrorCode::kAlreadyExists,
        "a service holds it; remove the service and it is released by itself, or pin the service "
        "to another address with `meshdns vip pin --force`");
    return;
  }
  const std::string key = service_lease_key(*id);
  const auto entry = leases_.entry(key);
  if (!entry || entry->state != vip::LeaseState::kActive) {
    refuse(ErrorCode::kNotFound,
           !entry ? "there is no lease of that name" : "it is released already");
    return;
  }
  if (const auto possible = leases_.can_record(); !possible) {
    done(tl::unexpected(possible.error()));
    return;
  }
  const std::string report =
      fmt::format("released {}: nobody else gets {} before the quarantine is over\n", name,
                  print_addresses(entry->ipv4, entry->ipv6));
  leases_.release(key);
  leases_.confirm([report, done = std::move(done)](const Result<void>& recorded) {
    done(recorded ? Result<std::string>(report)
                  : fail("not on disk yet; it is tried again", recorded.error()));
  });
}

}  // namespace meshdns::dns
