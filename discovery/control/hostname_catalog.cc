#include "discovery/control/hostname_catalog.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/log.h"
#include "base/result.h"
#include "discovery/control/hostname_template.h"
#include "discovery/dns_name.h"
#include "discovery/hostname_generator.h"
#include "discovery/service.h"

namespace meshdns::discovery {
namespace {

// What a service is selected by, and what `label` gives: its tags, and what Kuma labels services
// with.
std::map<std::string, std::string> labels_of(const Service& service) {
  std::map<std::string, std::string> labels = service.tags;
  labels.insert({{"kuma.io/mesh", service.id.mesh},
                 {"kuma.io/service", service.id.name},
                 {"kuma.io/display-name", service.id.name},
                 {"kuma.io/origin", "zone"},
                 {"kuma.io/env", "universal"}});
  if (!service.zone.empty()) {
    labels.insert({"kuma.io/zone", service.zone});
  }
  return labels;
}

TemplateFields fields_of(const Service& service) {
  TemplateFields fields{.name = service.id.name,
                        .name_space = {},
                        .mesh = service.id.mesh,
                        .zone = service.zone,
                        .labels = labels_of(service)};
  if (const auto found = fields.labels.find("k8s.kuma.io/namespace");
      found != fields.labels.end()) {
    fields.name_space = found->second;
  }
  return fields;
}

bool selects(const HostnameGenerator& generator, HostnameCatalog::Origin origin,
             const std::map<std::string, std::string>& labels) {
  const bool is_external = origin == HostnameCatalog::Origin::kExternal;
  if ((generator.selects == HostnameGenerator::Selects::kExternal && !is_external) ||
      (generator.selects == HostnameGenerator::Selects::kOfDataplanes && is_external)) {
    return false;
  }
  return std::ranges::all_of(generator.match_labels, [&](const auto& wanted) {
    const auto found = labels.find(wanted.first);
    return found != labels.end() && found->second == wanted.second;
  });
}

}  // namespace

void HostnameCatalog::set_generator(const std::string& name, const HostnameGenerator& generator) {
  if (auto parsed = HostnameTemplate::parse(generator.hostname_template)) {
    generators_.insert_or_assign(name, Generator{generator, *std::move(parsed)});
  }
}

void HostnameCatalog::remove_generator(const std::string& name) {
  generators_.erase(name);
  if (generators_.empty()) {  // then nobody asks who has a name
    claims_.clear();
    names_.clear();
  }
}

std::map<std::string, std::string> HostnameCatalog::wishes(
    const Service& service, Origin origin, std::vector<std::string>& warnings) const {
  std::map<std::string, std::string> wanted;
  const TemplateFields fields = fields_of(service);
  for (const auto& [name, generator] : generators_) {
    if (!selects(generator.value, origin, fields.labels)) {
      continue;
    }
    const auto hostname = generator.hostname.render(fields);
    if (hostname) {
      wanted.try_emplace(*hostname, name);
    } else {
      warnings.push_back(fmt::format("the hostname generator {} gives it no name: {}",
                                     escape_name(name), hostname.error().message));
    }
  }
  return wanted;
}

std::vector<ServiceId> HostnameCatalog::put(Service& service, Origin origin,
                                            std::vector<std::string>& warnings) {
  if (generators_.empty()) {
    return {};
  }
  const std::map<std::string, std::string> wanted = wishes(service, origin, warnings);
  std::map<std::string, Right> names;
  for (const std::string& own : service.hostnames) {
    names.try_emplace(fold_name(own), Right::kOwnName);
  }
  for (const auto& [hostname, generator] : wanted) {
    names.try_emplace(hostname, Right::kGenerated);
  }
  std::vector<ServiceId> touched = claim(service.id, names);
  for (const auto& [hostname, generator] : wanted) {
    if (names.at(hostname) == Right::kOwnName) {
      continue;
    }
    const auto& [right, holder] = *claims_.at({service.id.mesh, hostname}).begin();
    if (holder == service.id) {
      service.hostnames.push_back(hostname);
    } else {
      warnings.push_back(fmt::format("the hostname {} of the generator {} is the service {}'s",
                                     hostname, escape_name(generator),
                                     escape_name(holder.to_string())));
    }
  }
  return touched;
}

std::vector<ServiceId> HostnameCatalog::remove(const ServiceId& id) { return claim(id, {}); }

std::vector<ServiceId> HostnameCatalog::claim(const ServiceId& id,
                                              const std::map<std::string, Right>& names) {
  std::set<ServiceId> touched;
  const auto change = [&](const Place& place, const auto& edit) {
    std::set<Claim>& claims = claims_[place];
    const auto before = claims.empty() ? Claim() : *claims.begin();
    edit(claims);
    const auto after = claims.empty() ? Claim() : *claims.begin();
    if (before != after) {
      touched.insert(before.second);
      touched.insert(after.second);
    }
    if (claims.empty()) {
      claims_.erase(place);
    }
  };
  const std::map<std::string, Right> before = std::exchange(names_[id], names);
  for (const auto& [name, right] : before) {
    if (const auto now = names.find(name); now == names.end() || now->second != right) {
      change({id.mesh, name}, [&](std::set<Claim>& claims) { claims.erase({right, id}); });
    }
  }
  for (const auto& [name, right] : names) {
    if (const auto then = before.find(name); then == before.end() || then->second != right) {
      change({id.mesh, name}, [&](std::set<Claim>& claims) { claims.insert({right, id}); });
    }
  }
  if (names.empty()) {
    names_.erase(id);
  }
  touched.erase(id);
  touched.erase(ServiceId());
  return {touched.begin(), touched.end()};
}

}  // namespace meshdns::discovery
