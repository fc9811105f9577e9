#include "discovery/feeds/cluster.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/log.h"
#include "base/result.h"
#include "discovery/feeds/cluster_hostname.h"
#include "discovery/feeds/load_assignment.h"
#include "discovery/service.h"
#include "envoy/config/cluster/v3/cluster.pb.h"

namespace meshdns::discovery {
namespace {

using Message = envoy::config::cluster::v3::Cluster;

tl::unexpected<Error> invalid(std::string message) {
  return fail(ErrorCode::kInvalidArgument, std::move(message));
}

bool is_eds(const Message& message) { return message.has_type() && message.type() == Message::EDS; }

std::string stored_form(const Message& message) {
  Message stored;
  stored.set_name(message.name());
  if (message.has_type()) {
    stored.set_type(message.type());
  }
  if (is_eds(message)) {
    stored.mutable_eds_cluster_config()->set_service_name(
        message.eds_cluster_config().service_name());
  } else if (message.has_load_assignment()) {
    *stored.mutable_load_assignment() = message.load_assignment();
  }
  stored.DiscardUnknownFields();
  return stored.SerializeAsString();
}

// Of a cluster that brings them along.
Result<std::optional<std::vector<Endpoint>>> endpoints_of(const Message& message) {
  if (!message.has_load_assignment()) {
    return std::nullopt;
  }
  const bool may_have_names = message.has_type() && message.type() != Message::STATIC;
  auto read = read_load_assignment(message.load_assignment(),
                                   may_have_names ? HostNames::kLeftOut : HostNames::kRefused);
  if (!read) {
    return invalid("load_assignment: " + read.error().message);
  }
  return read->is_elsewhere ? std::nullopt : std::optional(std::move(read->endpoints));
}

}  // namespace

Result<Cluster> decode_cluster(std::string_view value, const ClusterNaming& naming) {
  Message message;
  if (!message.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
    return invalid("the value is no Cluster");
  }
  if (message.name().empty()) {
    return invalid("name: is empty");
  }
  Cluster cluster;
  cluster.service.id = {naming.mesh, message.name()};
  if (is_eds(message)) {
    const std::string& other = message.eds_cluster_config().service_name();
    cluster.assignment = other.empty() ? message.name() : other;
  } else {
    auto endpoints = endpoints_of(message);
    if (!endpoints) {
      return tl::unexpected(std::move(endpoints.error()));
    }
    cluster.endpoints = *std::move(endpoints);
  }
  auto hostname = cluster_hostname(message.name(), naming.zones);
  if (message.has_type() && message.type() == Message::ORIGINAL_DST) {
    cluster.left_out = "ORIGINAL_DST has no host of its own";
  } else if (!hostname) {
    cluster.left_out = fmt::format("'{}' is no DNS name", escape_name(message.name()));
  } else {
    cluster.service.hostnames = {*std::move(hostname)};
  }
  cluster.stored = stored_form(message);
  return cluster;
}

}  // namespace meshdns::discovery
