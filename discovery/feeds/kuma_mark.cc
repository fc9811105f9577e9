#include "discovery/feeds/kuma_mark.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>

#include "discovery/feeds/name_records.h"
#include "discovery/service.h"
#include "discovery/xds/held_versions.h"

namespace meshdns::discovery {
namespace {

namespace json = boost::json;

std::optional<std::string> text_of(const json::object& from, const char* member) {
  const json::value* const value = from.if_contains(member);
  if (value == nullptr || !value->is_string()) {
    return std::nullopt;
  }
  return std::string(value->get_string().data(), value->get_string().size());
}

std::optional<std::uint64_t> number_of(const json::object& from, const char* member) {
  const json::value* const value = from.if_contains(member);
  json::error_code error;
  const auto number = value == nullptr ? 0 : value->to_number<std::uint64_t>(error);
  return value == nullptr || error ? std::nullopt : std::optional(number);
}

}  // namespace

std::string KumaMark::to_text() const {
  json::object mark;
  mark["listener"] = listener;
  mark["version"] = version;
  mark["etag"] = etag;
  json::object& all = mark["labels"].emplace_object();
  for (const auto& [key, value] : labels) {
    all[key] = value;
  }
  mark["names"] = names;
  mark["checksum"] = checksum;
  return json::serialize(mark);
}

std::optional<KumaMark> KumaMark::parse(std::string_view text) {
  json::error_code error;
  const json::value document = json::parse(json::string_view(text.data(), text.size()), error);
  const json::object* const from = error ? nullptr : document.if_object();
  if (from == nullptr) {
    return std::nullopt;
  }
  auto listener = text_of(*from, "listener");
  auto version = text_of(*from, "version");
  auto etag = text_of(*from, "etag");
  const auto names = number_of(*from, "names");
  const auto sum = number_of(*from, "checksum");
  const json::value* const labels = from->if_contains("labels");
  if (!listener || !version || !etag || !names || !sum || labels == nullptr ||
      !labels->is_object()) {
    return std::nullopt;
  }
  KumaMark mark{.listener = *listener,
                .version = *version,
                .etag = *etag,
                .labels = {},
                .names = *names,
                .checksum = *sum};
  for (const auto& [name, label] : labels->get_object()) {
    const std::string key(name.data(), name.size());
    auto value = text_of(labels->get_object(), key.c_str());
    if (!value) {
      return std::nullopt;
    }
    mark.labels[key] = *value;
  }
  return mark;
}

std::optional<KumaMark> KumaMark::find(const HeldVersions& held) {
  const auto text = held.find(kName);
  return text ? parse(*text) : std::nullopt;
}

std::uint64_t checksum(const std::vector<NameRecord>& records) {
  std::uint64_t sum = 0;
  for (const NameRecord& record : records) {
    sum += checksum(record);
  }
  return sum;
}

}  // namespace meshdns::discovery
