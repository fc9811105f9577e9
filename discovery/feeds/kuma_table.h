// The DNS table of a Kuma control plane (2.11 and later): JSON, in a listener that is not listened
// on but read. kuma-dp asks its Envoy for it under the path /dns; we take it from the resource.
//
//     {"records":[{"name":"backend.mesh","ips":["241.0.0.0","::ffff:f100:0"]}],"ttl":30,
//      "extraLabels":{"mesh":"default"}}
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "discovery/service.h"

namespace meshdns::discovery {

// A table as it stands in its listener.
struct KumaTableText {
  std::string json;
  std::string etag;  // empty when there is none
};

// The table of a Listener resource, which is found by its route for the path /dns that answers 200
// with a body: the listener's name differs between versions. Nothing when there is none, or when
// what the listener holds is not for us to read; an error when `listener` is no Listener.
[[nodiscard]] Result<std::optional<KumaTableText>> find_kuma_table(std::string_view listener);

struct KumaTable {
  // More addresses of one name are left out: all must fit a message.
  static constexpr std::size_t kMaxAddresses = 1000;

  std::vector<NameRecord> records;            // ascending by name, in lower case, each once
  std::map<std::string, std::string> labels;  // that kuma-dp's metrics have
  // What was left out: names that are none, addresses that are none or too many, the earlier of two
  // records of one name. The first few are described.
  std::size_t skipped = 0;
  std::vector<std::string> reasons;
};

// As kuma-dp reads it: unknown members are ignored, an address with a dot in it is an A record,
// even "::ffff:241.0.0.0", any other an AAAA record. Stricter in one thing: without "records" it is
// no table, where kuma-dp would take it for an empty one. The error says what is wrong and where.
[[nodiscard]] Result<KumaTable> parse_kuma_table(std::string_view json);

}  // namespace meshdns::discovery
