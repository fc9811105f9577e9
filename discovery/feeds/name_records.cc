#include "discovery/feeds/name_records.h"

#include <cstddef>
#include <cstdint>
#include <limits>
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
#include "meshdns/mesh/v1/name_record.pb.h"

namespace meshdns::discovery {
namespace {

constexpr std::string_view kWildcard = "*.";

constexpr std::uint64_t kFnvOffset = 0xcbf29ce484222325;  // FNV-1a, 64 bits
constexpr std::uint64_t kFnvPrime = 0x100000001b3;

// Spreads a change of any bit over all, so that sums of several do not meet.
std::uint64_t mix(std::uint64_t value) {
  value ^= value >> 33U;
  value *= 0xff51afd7ed558ccd;
  value ^= value >> 33U;
  value *= 0xc4ceb9fe1a85ec53;
  return value ^ (value >> 33U);
}

}  // namespace

bool is_record_name(std::string_view text) {
  const bool is_wildcard = text.starts_with(kWildcard);
  return text.size() <= kMaxNameOctets &&
         is_dns_name(is_wildcard ? text.substr(kWildcard.size()) : text);
}

std::string encode_name_record(const NameRecord& record) {
  mesh::v1::NameRecord message;
  message.set_name(record.name);
  for (const IpAddress& address : record.addresses) {
    message.add_addresses(address.to_string());
  }
  if (record.ttl_seconds) {
    message.set_ttl(*record.ttl_seconds);
  }
  return message.SerializeAsString();
}

Result<NameRecord> decode_name_record(std::string_view value) {
  mesh::v1::NameRecord message;
  if (value.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
      !message.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
    return fail(ErrorCode::kInvalidArgument, "the value is no meshdns.mesh.v1.NameRecord");
  }
  if (!is_record_name(message.name())) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("name: '{}' is no name", escape_name(message.name())));
  }
  NameRecord record;
  record.name = message.name();
  for (const std::string& text : message.addresses()) {
    const auto address = IpAddress::parse(text);
    if (!address) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("addresses: '{}' is no address", escape_name(text)));
    }
    record.addresses.push_back(*address);
  }
  if (message.has_ttl()) {
    record.ttl_seconds = message.ttl();
  }
  return record;
}

std::uint64_t checksum(const NameRecord& record) {
  std::uint64_t hash = kFnvOffset;
  for (const char octet : encode_name_record(record)) {
    hash = (hash ^ static_cast<unsigned char>(octet)) * kFnvPrime;
  }
  return mix(hash);
}

bool read_name_record(const ResponseItem& item, ServiceDelta& delta,
                      std::vector<Rejection>& rejections) {
  auto record = decode_name_record(item.value);
  if (!record || record->name != item.name) {
    rejections.push_back({item.name, record ? "another's record" : record.error().message});
    delta.full_state = false;
    return false;
  }
  delta.records.push_back(*std::move(record));
  return true;
}

}  // namespace meshdns::discovery
