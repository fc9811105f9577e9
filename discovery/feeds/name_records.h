// Name records as they are kept on disk: octets of a meshdns.mesh.v1.NameRecord each, under the
// record's name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "discovery/service.h"
#include "discovery/xds/ads_client.h"

namespace meshdns::discovery {

// A DNS name, or "*." and one: a wildcard (RFC 4592). Without a final dot.
[[nodiscard]] bool is_record_name(std::string_view text);

[[nodiscard]] std::string encode_name_record(const NameRecord& record);
// The error says what is wrong with the value, which is of no other record's name than its own.
[[nodiscard]] Result<NameRecord> decode_name_record(std::string_view value);

// Of one record: whatever of it is kept makes another number. Small and good, not secret.
[[nodiscard]] std::uint64_t checksum(const NameRecord& record);

// Puts the record of a resource of a feed's log into `delta`. False where it is none: then it is
// put into `rejections`, and the delta does not say any more that it is all there is.
bool read_name_record(const ResponseItem& item, ServiceDelta& delta,
                      std::vector<Rejection>& rejections);

}  // namespace meshdns::discovery
