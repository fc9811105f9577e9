#include "discovery/feeds/name_table.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "base/result.h"
#include "discovery/dns_name.h"
#include "discovery/feeds/name_records.h"
#include "discovery/service.h"
#include "istio/networking/nds/v1/nds.pb.h"

namespace meshdns::discovery {
namespace {

using NameInfo = istio::networking::nds::v1::NameTable::NameInfo;

constexpr std::size_t kMaxReasons = 5;
constexpr std::string_view kKubernetes = "Kubernetes";

// In lower case, without a final dot; nothing where it can be no record's.
std::optional<std::string> parse_host(std::string_view text) {
  if (text.ends_with('.')) {
    text.remove_suffix(1);
  }
  return is_record_name(text) ? std::optional(fold_name(text)) : std::nullopt;
}

bool is_below(std::string_view name, std::string_view domain) {
  return name.size() > domain.size() && name.ends_with(domain) &&
         name[name.size() - domain.size() - 1] == '.';
}

class TableReader {
 public:
  explicit TableReader(const NameTableScope& scope)
      : name_space_(fold_name(scope.name_space)), domain_(fold_name(scope.domain)) {}

  NameTable read(const istio::networking::nds::v1::NameTable& message) {
    // In an order that does not change: protobuf's maps have none.
    std::map<std::string, const NameInfo*> hosts;
    for (const auto& [text, info] : message.table()) {
      auto host = parse_host(text);
      if (!host) {
        skip(fmt::format("'{}' is no host name", escape_name(text)));
      } else if (!hosts.emplace(*host, &info).second) {
        skip(fmt::format("'{}' stands twice", *host));
      }
    }
    for (const auto& [host, info] : hosts) {
      take_host(host, *info);
    }
    for (const auto& [host, info] : hosts) {
      if (const auto found = records_.find(host); found != records_.end()) {
        take_short_names(host, *info, found->second.addresses);
      }
    }
    for (auto& [name, record] : records_) {
      table_.records.push_back(std::move(record));
    }
    return std::move(table_);
  }

 private:
  void skip(std::string reason) {
    ++table_.skipped;
    if (table_.reasons.size() < kMaxReasons) {
      table_.reasons.push_back(std::move(reason));
    }
  }

  void take_host(const std::string& host, const NameInfo& info) {
    std::vector<IpAddress> addresses;
    for (const std::string& text : info.ips()) {
      if (addresses.size() == NameTable::kMaxAddresses) {
        skip(fmt::format("{}: {} addresses, of which {} are told", host, info.ips_size(),
                         NameTable::kMaxAddresses));
        break;
      }
      const auto address = IpAddress::parse(text);
      if (!address || address->unmapped().is_unspecified()) {
        skip(fmt::format("{}: '{}' is no address", host, escape_text(text)));
      } else if (std::ranges::find(addresses, address->unmapped()) == addresses.end()) {
        addresses.push_back(address->unmapped());
      }
    }
    if (!addresses.empty()) {
      add(host, std::move(addresses));
    }
  }

  // RFC 1123's search lists would find them, too; but whoever asks may have none.
  void take_short_names(const std::string& host, const NameInfo& info,
                        const std::vector<IpAddress>& addresses) {
    if (info.registry() != kKubernetes || !is_below(host, domain_)) {
      return;
    }
    std::vector<std::string> names(info.alt_hosts().begin(), info.alt_hosts().end());
    if (!info.shortname().empty() && !info.namespace_().empty()) {
      const std::string qualified = info.shortname() + "." + info.namespace_();
      names.push_back(qualified);
      names.push_back(qualified + "." + domain_.substr(0, domain_.find('.')));
      if (fold_name(info.namespace_()) == name_space_) {
        names.push_back(info.shortname());
      }
    }
    for (const std::string& text : names) {
      const auto name = parse_host(text);
      if (!name) {
        skip(fmt::format("{}: its other name '{}' is none", host, escape_name(text)));
        continue;
      }
      if (other_addresses_ + addresses.size() > NameTable::kMaxOtherAddresses) {
        skip(fmt::format("{}: other names, which have more than {} addresses in all", host,
                         NameTable::kMaxOtherAddresses));
        return;
      }
      const auto [place, is_new] = owners_.try_emplace(*name, host);
      if (!is_new && place->second != host) {
        skip(fmt::format("'{}' is a name of {} and of {}: the first counts", *name, place->second,
                         host));
      } else if (is_new) {
        other_addresses_ += addresses.size();
        add(*name, addresses);
      }
    }
  }

  void add(const std::string& name, std::vector<IpAddress> addresses) {
    owners_.try_emplace(name, name);
    records_.try_emplace(
        name,
        NameRecord{.name = name, .addresses = std::move(addresses), .ttl_seconds = std::nullopt});
  }

  std::string name_space_;
  std::string domain_;
  NameTable table_;
  std::map<std::string, NameRecord> records_;
  std::map<std::string, std::string> owners_;  // of each name, the host
  std::size_t other_addresses_ = 0;            // of names that are no hosts
};

}  // namespace

Result<NameTable> read_name_table(std::string_view value, const NameTableScope& scope) {
  istio::networking::nds::v1::NameTable message;
  if (value.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
      !message.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
    return fail(ErrorCode::kInvalidArgument, "the value is no NameTable");
  }
  return TableReader(scope).read(message);
}

}  // namespace meshdns::discovery
