#include "discovery/feeds/kuma_table.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "base/result.h"
#include "discovery/dns_name.h"
#include "discovery/service.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/listener/v3/listener_components.pb.h"
#include "envoy/config/route/v3/route_components.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"

namespace meshdns::discovery {
namespace {

namespace json = boost::json;
using envoy::config::listener::v3::Filter;
using envoy::config::listener::v3::FilterChain;
using envoy::config::listener::v3::Listener;
using envoy::config::route::v3::Route;
using envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;

constexpr std::string_view kPath = "/dns";
constexpr unsigned kOk = 200;
constexpr std::size_t kMaxDepth = 32;
constexpr std::size_t kMaxReasons = 5;
constexpr std::uint32_t kMaxTtl = 0x7fffffff;  // RFC 2181 section 8

tl::unexpected<Error> invalid(std::string message) {
  return fail(ErrorCode::kInvalidArgument, std::move(message));
}

std::optional<KumaTableText> table_of(const Route& route) {
  const auto& answer = route.direct_response();
  if (route.match().path() != kPath || answer.status() != kOk || !answer.has_body()) {
    return std::nullopt;
  }
  KumaTableText text;
  text.json = answer.body().has_inline_bytes() ? answer.body().inline_bytes()
                                               : answer.body().inline_string();
  for (const auto& option : route.response_headers_to_add()) {
    if (fold_name(option.header().key()) == "etag") {
      text.etag = option.header().value();
    }
  }
  return text;
}

std::optional<KumaTableText> table_of(const FilterChain& chain) {
  for (const Filter& filter : chain.filters()) {
    HttpConnectionManager manager;
    if (!filter.typed_config().Is<HttpConnectionManager>() ||
        !filter.typed_config().UnpackTo(&manager)) {
      continue;
    }
    for (const auto& host : manager.route_config().virtual_hosts()) {
      for (const Route& route : host.routes()) {
        if (auto text = table_of(route)) {
          return text;
        }
      }
    }
  }
  return std::nullopt;
}

void skip(KumaTable& table, std::string reason) {
  ++table.skipped;
  if (table.reasons.size() < kMaxReasons) {
    table.reasons.push_back(std::move(reason));
  }
}

std::string_view view(const json::string& text) { return {text.data(), text.size()}; }

// "records[3].ips" and the like.
std::string place(std::size_t index, std::string_view member) {
  return fmt::format("records[{}].{}", index, member);
}

Result<std::optional<std::uint32_t>> read_ttl(const json::object& table) {
  const json::value* const value = table.if_contains("ttl");
  if (value == nullptr || value->is_null()) {
    return std::nullopt;
  }
  json::error_code error;
  const auto seconds = value->to_number<std::uint32_t>(error);
  if (error || seconds > kMaxTtl) {
    return invalid("ttl: no whole number of seconds");
  }
  return seconds;
}

// Prometheus' data model: anything else would break the page of metrics; nor may one stand there
// that a metric of kuma-dp's has itself.
bool is_label_name(std::string_view key) {
  constexpr std::array<std::string_view, 4> kTaken{"le", "qtype", "rcode", "source"};
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  return !key.empty() && is_letter(key.front()) && !key.starts_with("__") &&
         std::ranges::all_of(key, [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); }) &&
         std::ranges::find(kTaken, key) == kTaken.end();
}

Result<void> read_labels(const json::object& from, KumaTable& table) {
  const json::value* const value = from.if_contains("extraLabels");
  if (value == nullptr || value->is_null()) {
    return {};
  }
  if (!value->is_object()) {
    return invalid("extraLabels: no object");
  }
  for (const auto& [name, label] : value->get_object()) {
    const std::string_view key(name.data(), name.size());
    if (!label.is_string()) {
      return invalid(fmt::format("extraLabels.{}: no string", escape_name(key)));
    }
    if (!is_label_name(key)) {
      skip(table, fmt::format("extraLabels: '{}' is no label of ours", escape_name(key)));
      continue;
    }
    table.labels.insert_or_assign(std::string(key), std::string(view(label.get_string())));
  }
  return {};
}

// The address, or why there is none.
Result<IpAddress> read_address(std::string_view text) {
  const auto address = IpAddress::parse(text);
  if (!address || address->unmapped().is_unspecified()) {
    return invalid(fmt::format("'{}' is no address", escape_name(text)));
  }
  return text.find('.') == std::string_view::npos ? *address : address->unmapped();
}

Result<void> read_addresses(const json::value& ips, std::size_t index, NameRecord& record,
                            KumaTable& table) {
  if (ips.is_null()) {
    return {};
  }
  if (!ips.is_array()) {
    return invalid(place(index, "ips") + ": no list");
  }
  for (const json::value& ip : ips.get_array()) {
    if (!ip.is_string()) {
      return invalid(place(index, "ips") + ": not all of them are strings");
    }
    if (record.addresses.size() == KumaTable::kMaxAddresses) {
      skip(table, fmt::format("{}: the first {} of {} are told", place(index, "ips"),
                              KumaTable::kMaxAddresses, ips.get_array().size()));
      break;
    }
    const auto address = read_address(view(ip.get_string()));
    if (!address) {
      skip(table, place(index, "ips") + ": " + address.error().message);
    } else if (std::ranges::find(record.addresses, *address) == record.addresses.end()) {
      record.addresses.push_back(*address);
    }
  }
  return {};
}

Result<void> read_record(const json::value& value, std::size_t index, KumaTable& table) {
  const json::object* const object = value.if_object();
  if (object == nullptr) {
    return invalid(fmt::format("records[{}]: no object", index));
  }
  const json::value* const name = object->if_contains("name");
  if (name == nullptr || !name->is_string()) {
    return invalid(place(index, "name") + ": no string");
  }
  NameRecord record;
  record.name = fold_name(view(name->get_string()));
  if (record.name.ends_with('.')) {
    record.name.pop_back();
  }
  const json::value* const ips = object->if_contains("ips");
  if (ips != nullptr) {
    if (auto read = read_addresses(*ips, index, record, table); !read) {
      return read;
    }
  }
  if (!is_dns_name(record.name)) {
    skip(table, fmt::format("{}: '{}' is no host name", place(index, "name"),
                            escape_name(view(name->get_string()))));
    return {};
  }
  table.records.push_back(std::move(record));
  return {};
}

// Ascending by name; of two with the same name the later counts, as in kuma-dp.
void put_in_order(KumaTable& table) {
  std::ranges::stable_sort(table.records, {}, &NameRecord::name);
  std::vector<NameRecord> kept;
  kept.reserve(table.records.size());
  for (NameRecord& record : table.records) {
    if (!kept.empty() && kept.back().name == record.name) {
      skip(table, fmt::format("'{}' stands twice, the later one counts", record.name));
      kept.back() = std::move(record);
    } else {
      kept.push_back(std::move(record));
    }
  }
  table.records = std::move(kept);
}

}  // namespace

Result<std::optional<KumaTableText>> find_kuma_table(std::string_view listener) {
  Listener message;
  if (listener.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
      !message.ParseFromArray(listener.data(), static_cast<int>(listener.size()))) {
    return invalid("the value is no Listener");
  }
  for (const FilterChain& chain : message.filter_chains()) {
    if (auto text = table_of(chain)) {
      return text;
    }
  }
  return table_of(message.default_filter_chain());
}

Result<KumaTable> parse_kuma_table(std::string_view text) {
  json::parse_options options;
  options.max_depth = kMaxDepth;
  json::monotonic_resource memory;
  json::error_code error;
  const json::value document =
      json::parse(json::string_view(text.data(), text.size()), error, &memory, options);
  if (error) {
    return invalid(fmt::format("the DNS table is no JSON: {}", error.message()));
  }
  const json::object* const object = document.if_object();
  const json::value* const records = object == nullptr ? nullptr : object->if_contains("records");
  if (records == nullptr || !records->is_array()) {
    return invalid("the DNS table has no list of records");
  }
  KumaTable table;
  auto ttl = read_ttl(*object);
  if (!ttl) {
    return tl::unexpected(std::move(ttl.error()));
  }
  if (auto labels = read_labels(*object, table); !labels) {
    return tl::unexpected(std::move(labels.error()));
  }
  table.records.reserve(records->get_array().size());
  for (std::size_t i = 0; i < records->get_array().size(); ++i) {
    if (auto read = read_record(records->get_array()[i], i, table); !read) {
      return tl::unexpected(std::move(read.error()));
    }
  }
  for (NameRecord& record : table.records) {
    record.ttl_seconds = *ttl;
  }
  put_in_order(table);
  return table;
}

}  // namespace meshdns::discovery
