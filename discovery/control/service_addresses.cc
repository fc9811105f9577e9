#include "discovery/control/service_addresses.h"

#include <chrono>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/ip_address.h"
#include "base/json_text.h"
#include "base/log.h"
#include "base/result.h"
#include "discovery/service.h"
#include "vip/key.h"
#include "vip/lease_store.h"

namespace meshdns::discovery {
namespace {

// Longer than any resolver lets a client keep an answer.
constexpr std::chrono::minutes kQuarantine{5};

// The words of the resolver's /vips.
std::string_view status_word(vip::LeaseStatus status) {
  switch (status) {
    case vip::LeaseStatus::kDurable:
      return "leased";
    case vip::LeaseStatus::kPending:
      return "pending";
    case vip::LeaseStatus::kStorageFailed:
      return "unstored";
    case vip::LeaseStatus::kExhausted:
      break;
  }
  return "exhausted";
}

// Those that may be told.
std::vector<IpAddress> addresses_of(const vip::LeaseStore::Lease& lease) {
  std::vector<IpAddress> addresses;
  if (lease.status == vip::LeaseStatus::kDurable) {
    for (const auto& address : {lease.ipv4, lease.ipv6}) {
      if (address) {
        addresses.push_back(*address);
      }
    }
  }
  return addresses;
}

std::string key_of(const ServiceId& id) { return vip::service_lease_key(id.mesh, id.name); }

}  // namespace

Result<std::unique_ptr<ServiceAddresses>> ServiceAddresses::open(const Options& options,
                                                                 const Environment& environment,
                                                                 OnChange on_change) {
  std::unique_ptr<ServiceAddresses> made(
      new ServiceAddresses(environment.registry, environment.logger, std::move(on_change)));
  made->families_.push_back(IpFamily::kV4);
  if (options.ipv6_pool) {
    made->families_.push_back(IpFamily::kV6);
  }
  const vip::LeaseStore::Options leases{.ipv4_pool = options.ipv4_pool,
                                        .ipv6_pool = options.ipv6_pool,
                                        .directory = options.directory,
                                        .instance = "meshdns-cp",
                                        .mode = vip::StateMode::kRequired,
                                        .quarantine = kQuarantine};
  return vip::LeaseStore::open(
             leases, environment.files, environment.clock, environment.post,
             [addresses = made.get()](const std::vector<std::string>& keys) {
               addresses->on_leases(keys);
             },
             environment.logger, made->metrics_)
      .map([&](std::unique_ptr<vip::LeaseStore> opened) {
        made->leases_ = std::move(opened);
        return std::move(made);
      });
}

std::vector<IpAddress> ServiceAddresses::acquire(const ServiceId& id) {
  const std::string key = key_of(id);
  services_.insert_or_assign(key, id);
  const auto lease = leases_->acquire(key);
  if (lease.status == vip::LeaseStatus::kExhausted) {
    exhausted_.insert(key);
  } else {
    exhausted_.erase(key);
  }
  if (lease.status == vip::LeaseStatus::kDurable) {
    waiting_.erase(key);
  } else {
    waiting_.insert(key);
  }
  return addresses_of(lease);
}

void ServiceAddresses::release(const ServiceId& id) {
  const std::string key = key_of(id);
  leases_->release(key);
  services_.erase(key);
  waiting_.erase(key);
  exhausted_.erase(key);
}

void ServiceAddresses::release_the_absent() {
  std::vector<std::string> absent;
  leases_->for_each([&](std::string_view key, const vip::LeaseStore::Lease& /*lease*/) {
    if (std::string name(key); !services_.contains(name)) {
      absent.push_back(std::move(name));
    }
  });
  for (const std::string& key : absent) {
    leases_->release(key);
  }
  if (!absent.empty()) {
    logger_.info("released the addresses of services that are no more services={}", absent.size());
  }
}

void ServiceAddresses::retry() {
  // All services want the same pools, so where one gets nothing no other will.
  while (!exhausted_.empty() &&
         leases_->acquire(*exhausted_.begin()).status != vip::LeaseStatus::kExhausted) {
    exhausted_.erase(exhausted_.begin());
  }
  leases_->flush();
}

void ServiceAddresses::on_leases(const std::vector<std::string>& keys) {
  std::vector<ServiceId> changed;
  for (const std::string& key : keys) {
    if (const auto service = services_.find(key); service != services_.end()) {
      changed.push_back(service->second);
    }
  }
  on_change_(changed);
}

std::string ServiceAddresses::note() const {
  std::string note = leases_->state_note();
  if (note.empty() && !waiting_.empty()) {
    note = fmt::format("{} services wait for a virtual address, the first is {}", waiting_.size(),
                       escape_name(services_.at(*waiting_.begin()).to_string()));
  }
  return note;
}

std::string ServiceAddresses::page() const {
  std::string page = R"({"vips":[)";
  std::string_view separator;
  for (const auto& [key, id] : services_) {
    const auto lease = leases_->find(key).value_or(vip::LeaseStore::Lease{});
    std::string addresses;
    for (const IpAddress& address : addresses_of(lease)) {
      addresses += (addresses.empty() ? "" : ",") + json_string(address.to_string());
    }
    fmt::format_to(std::back_inserter(page),
                   R"({}{{"key":{},"mesh":{},"service":{},"addresses":[{}],"status":"{}"}})",
                   separator, json_string(key), json_string(id.mesh), json_string(id.name),
                   addresses, status_word(lease.status));
    separator = ",\n";
  }
  return page + "]}\n";
}

}  // namespace meshdns::discovery
