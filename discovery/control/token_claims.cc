#include "discovery/control/token_claims.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/log.h"
#include "base/refuse.h"
#include "base/result.h"
#include "base/wall_clock.h"

namespace meshdns::discovery {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxIdOctets = 128;
constexpr std::string_view kZoneTag = "kuma.io/zone";
constexpr std::string_view kDataplaneType = "dataplane";
constexpr double kLastSecond = 253'402'300'799;  // of the year 9999

// Empty where there is none; null counts as none.
Result<std::string> text_of(const json::object& claims, std::string_view name) {
  const json::value* const value = claims.if_contains(name);
  if (value == nullptr || value->is_null()) {
    return std::string();
  }
  if (!value->is_string()) {
    return refuse(fmt::format("its {} is no text", name));
  }
  return std::string(value->get_string());
}

// Seconds, with a fraction perhaps (RFC 7519 section 2, NumericDate).
Result<std::optional<WallTime>> time_of(const json::object& claims, std::string_view name) {
  const json::value* const value = claims.if_contains(name);
  if (value == nullptr || value->is_null()) {
    return std::nullopt;
  }
  json::error_code error;
  const auto seconds = value->to_number<double>(error);
  if (error || !(seconds >= 0 && seconds <= kLastSecond)) {
    return refuse(fmt::format("its {} is no time", name));
  }
  return WallTime(std::chrono::seconds(static_cast<std::int64_t>(seconds)));
}

Result<std::vector<std::string>> zones_of(const json::object& claims) {
  std::vector<std::string> zones;
  const json::value* const tags = claims.if_contains("Tags");
  if (tags == nullptr || tags->is_null()) {
    return zones;
  }
  if (!tags->is_object()) {
    return refuse("its Tags are no object");
  }
  for (const auto& [tag, values] : tags->get_object()) {
    if (std::string_view(tag) != kZoneTag) {
      return refuse(fmt::format("it is for the tag '{}', which is not checked here",
                                escape_name(std::string_view(tag))));
    }
    if (!values.is_array() || values.get_array().empty()) {
      return refuse("its zones are no list of any");
    }
    for (const json::value& zone : values.get_array()) {
      if (!zone.is_string() || zone.get_string().empty()) {
        return refuse("one of its zones has no name");
      }
      zones.emplace_back(zone.get_string());
    }
  }
  return zones;
}

Result<void> check_type(const json::object& claims) {
  const auto type = text_of(claims, "Type");
  const auto workload = text_of(claims, "Workload");
  if (!type || !workload || (!type->empty() && *type != kDataplaneType) || !workload->empty()) {
    return refuse("it is for something else than a dataplane's name");
  }
  return {};
}

}  // namespace

bool is_token_id(std::string_view text) {
  return !text.empty() && text.size() <= kMaxIdOctets && text.front() != '#' &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

std::string print_claims(const TokenClaims& claims) {
  json::object all;
  const auto seconds = [](WallTime time) {
    return static_cast<std::int64_t>(time.time_since_epoch().count());
  };
  if (!claims.name.empty()) {
    all["Name"] = claims.name;
  }
  all["Mesh"] = claims.mesh;
  if (!claims.zones.empty()) {
    json::array zones;
    for (const std::string& zone : claims.zones) {
      zones.emplace_back(zone);
    }
    json::object tags;
    tags[kZoneTag] = std::move(zones);
    all["Tags"] = std::move(tags);
  }
  all["Type"] = kDataplaneType;
  all["exp"] = seconds(claims.expires);
  all["nbf"] = seconds(claims.not_before);
  all["iat"] = seconds(claims.issued);
  all["jti"] = claims.id;
  return json::serialize(all);
}

Result<TokenClaims> parse_claims(std::string_view text) {
  json::error_code error;
  const json::value parsed = json::parse(text, error);
  if (error || !parsed.is_object()) {
    return refuse("its claims are no JSON object");
  }
  const json::object& claims = parsed.get_object();
  auto id = text_of(claims, "jti");
  if (!id || !is_token_id(*id)) {
    return refuse("it has no jti by which it could be revoked");
  }
  auto mesh = text_of(claims, "Mesh");
  if (!mesh || mesh->empty()) {
    return refuse("it names no Mesh");
  }
  auto name = text_of(claims, "Name");
  if (!name) {
    return tl::unexpected(std::move(name.error()));
  }
  auto zones = zones_of(claims);
  if (!zones) {
    return tl::unexpected(std::move(zones.error()));
  }
  if (auto type = check_type(claims); !type) {
    return tl::unexpected(std::move(type.error()));
  }
  const WallTime expires = time_of(claims, "exp").value_or(std::nullopt).value_or(WallTime::max());
  if (expires == WallTime::max()) {
    return refuse("it has no exp, so it would never end");
  }
  const auto issued = time_of(claims, "iat");
  const auto not_before = time_of(claims, "nbf");
  if (!issued || !not_before) {
    return tl::unexpected((issued ? not_before : issued).error());
  }
  return TokenClaims{.id = *std::move(id),
                     .mesh = *std::move(mesh),
                     .name = *std::move(name),
                     .zones = *std::move(zones),
                     .issued = issued->value_or(WallTime()),
                     .not_before = not_before->value_or(WallTime()),
                     .expires = expires};
}

}  // namespace meshdns::discovery
