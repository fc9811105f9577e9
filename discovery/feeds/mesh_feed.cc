#include "discovery/feeds/mesh_feed.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "base/result.h"
#include "discovery/dns_name.h"
#include "discovery/service.h"
#include "discovery/xds/ads_client.h"
#include "discovery/xds/held_versions.h"
#include "discovery/xds/type_urls.h"
#include "meshdns/mesh/v1/service.pb.h"

namespace meshdns::discovery {
namespace {

constexpr std::size_t kMaxLabelOctets = 63;

tl::unexpected<Error> invalid(std::string message) {
  return fail(ErrorCode::kInvalidArgument, std::move(message));
}

// Dotted labels of printable octets without escapes: what a hostname of a service may be.
bool is_hostname(std::string_view name) {
  if (name.empty() || name.size() > kMaxNameOctets) {
    return false;
  }
  std::size_t label = 0;
  for (const char c : name) {
    if (c == '.') {
      if (label == 0) {
        return false;
      }
      label = 0;
    } else if (c <= ' ' || c >= '\x7f' || c == '\\' || ++label > kMaxLabelOctets) {
      return false;
    }
  }
  return label > 0;
}

Result<void> check_count(std::string_view field, int count, std::size_t most) {
  if (static_cast<std::size_t>(count) > most) {
    return invalid(fmt::format("{}: {} are more than {}", field, count, most));
  }
  return {};
}

Result<std::vector<IpAddress>> decode_addresses(const mesh::v1::Service& message) {
  if (auto checked = check_count("addresses", message.addresses_size(), kMaxServiceAddresses);
      !checked) {
    return tl::unexpected(std::move(checked.error()));
  }
  std::vector<IpAddress> addresses;
  for (const std::string& text : message.addresses()) {
    const auto address = IpAddress::parse(text);
    if (!address || address->unmapped().is_unspecified()) {
      return invalid(fmt::format("addresses: '{}' is no IP address", escape_name(text)));
    }
    addresses.push_back(*address);
  }
  return addresses;
}

Result<std::vector<ServicePort>> decode_ports(const mesh::v1::Service& message) {
  if (auto checked = check_count("ports", message.ports_size(), kMaxServicePorts); !checked) {
    return tl::unexpected(std::move(checked.error()));
  }
  std::vector<ServicePort> ports;
  for (const auto& port : message.ports()) {
    if (port.number() == 0 || port.number() > UINT16_MAX) {
      return invalid(fmt::format("ports: {} is no port number", port.number()));
    }
    const auto number = static_cast<std::uint16_t>(port.number());
    if (std::ranges::find(ports, number, &ServicePort::number) != ports.end()) {
      return invalid(fmt::format("ports: {} is listed twice", number));
    }
    // A protocol that this version does not know is spoken over TCP all the same.
    ports.push_back(
        {port.name(), number, parse_protocol(port.protocol()).value_or(Protocol::kTcp)});
  }
  std::ranges::sort(ports, {}, &ServicePort::number);
  return ports;
}

}  // namespace

Result<Service> decode_service(std::string_view value) {
  mesh::v1::Service message;
  if (!message.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
    return invalid("the value is no meshdns.mesh.v1.Service");
  }
  Service service;
  service.id = {message.mesh(), message.name()};
  for (const auto& [field, text] :
       {std::pair{"mesh", &message.mesh()}, std::pair{"name", &message.name()}}) {
    if (text->empty() || text->size() > kMaxNameOctets || text->find('/') != std::string::npos) {
      return invalid(
          fmt::format("{}: '{}' is empty, too long or has a slash", field, escape_name(*text)));
    }
  }
  service.zone = message.zone();
  if (auto checked = check_count("hostnames", message.hostnames_size(), kMaxServiceHostnames);
      !checked) {
    return tl::unexpected(std::move(checked.error()));
  }
  for (const std::string& hostname : message.hostnames()) {
    if (!is_hostname(hostname)) {
      return invalid(fmt::format("hostnames: '{}' is no host name", escape_name(hostname)));
    }
    service.hostnames.push_back(hostname);
  }
  auto addresses = decode_addresses(message);
  if (!addresses) {
    return tl::unexpected(addresses.error());
  }
  service.addresses = std::move(*addresses);
  auto ports = decode_ports(message);
  if (!ports) {
    return tl::unexpected(ports.error());
  }
  service.ports = std::move(*ports);
  service.tags.insert(message.tags().begin(), message.tags().end());
  // A word that this version does not know leaves it to the resolver.
  service.answers = parse_answers(message.answers()).value_or(Answers::kDefault);
  service.awaits_address = message.awaits_address();
  return service;
}

MeshFeed::MeshFeed(AdsClient& client, std::string mesh, OnDelta on_delta, HeldVersions held)
    : mesh_(std::move(mesh)), on_delta_(std::move(on_delta)) {
  client.subscribe(
      kServiceTypeUrl, {.wildcard = true, .names = {}},
      [this](const ResponseView& response) { return on_response(response); }, std::move(held));
}

ServiceDelta MeshFeed::read(const ResponseView& response, const std::string& mesh,
                            std::vector<Rejection>& rejections) {
  ServiceDelta delta{.feed = kName, .full_state = response.full_state};
  for (const ResponseItem& item : response.resources) {
    auto service = decode_service(item.value);
    if (service && service->id.mesh != mesh) {
      service = invalid(fmt::format("mesh: '{}' is not the mesh of this resolver, '{}'",
                                    escape_name(service->id.mesh), mesh));
    }
    if (service && item.name != service->id.to_string()) {
      service = invalid(
          fmt::format("the resource says it is '{}'", escape_name(service->id.to_string())));
    }
    if (service) {
      delta.accepted.push_back({item.name, item.version, std::string(item.value)});
      delta.services.push_back(std::move(*service));
      continue;
    }
    rejections.push_back({item.name, service.error().message});
    // A full state with a resource that cannot be read does not say that its service is gone.
    delta.full_state = false;
  }
  for (const std::string& name : response.removed) {
    if (auto id = ServiceId::parse(name)) {
      delta.removed_services.push_back(*std::move(id));
    }
  }
  return delta;
}

std::vector<Rejection> MeshFeed::on_response(const ResponseView& response) {
  std::vector<Rejection> rejections;
  ServiceDelta delta = read(response, mesh_, rejections);
  has_delivered_ = true;
  on_delta_(std::move(delta));
  return rejections;
}

}  // namespace meshdns::discovery
