// Any octets as a name table of Istio's: what is accepted keeps the order and bounds that the feed
// builds on, and its records are the same once written and read.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "discovery/dns_name.h"
#include "discovery/feeds/name_records.h"
#include "discovery/feeds/name_table.h"
#include "discovery/service.h"
#include "fuzz/require.h"

namespace {

using namespace meshdns::discovery;

using meshdns::fuzz::require;

void check_record(const NameRecord& record) {
  require(is_record_name(record.name) && fold_name(record.name) == record.name);
  require(!record.addresses.empty() && record.addresses.size() <= NameTable::kMaxAddresses);
  for (const auto& address : record.addresses) {
    require(address == address.unmapped() && !address.is_unspecified());
  }
  const auto again = decode_name_record(encode_name_record(record));
  require(again && *again == record);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string value(data, data + size);
  const auto table = read_name_table(value, {.name_space = "shop", .domain = "svc.cluster.local"});
  if (!table) {
    require(!table.error().message.empty());
    return 0;
  }
  require(std::ranges::adjacent_find(table->records, std::ranges::greater_equal(),
                                     &NameRecord::name) == table->records.end());
  require((table->skipped == 0) == table->reasons.empty());
  std::ranges::for_each(table->records, check_record);
  return 0;
}
