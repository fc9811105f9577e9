// Any octets as a DNS table of Kuma's, and as the listener that has one: what is accepted keeps the
// order and bounds that the feed builds on, and its records are the same once written and read.
//
// The input: an octet that is odd for a listener; the rest.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "discovery/dns_name.h"
#include "discovery/feeds/kuma_table.h"
#include "discovery/feeds/name_records.h"
#include "discovery/service.h"
#include "fuzz/require.h"

namespace {

using namespace meshdns::discovery;

using meshdns::fuzz::require;

void check_record(const NameRecord& record) {
  require(is_dns_name(record.name) && fold_name(record.name) == record.name);
  require(record.ttl_seconds.value_or(0) <= 0x7fffffff);
  for (const auto& address : record.addresses) {
    require(!address.unmapped().is_unspecified());
    require(std::ranges::count(record.addresses, address) == 1);
  }
  const auto again = decode_name_record(encode_name_record(record));
  require(again && *again == record);
}

void check_table(std::string_view json) {
  const auto table = parse_kuma_table(json);
  if (!table) {
    require(!table.error().message.empty());
    return;
  }
  require(std::ranges::adjacent_find(table->records, std::ranges::greater_equal(),
                                     &NameRecord::name) == table->records.end());
  require((table->skipped == 0) == table->reasons.empty());
  std::ranges::for_each(table->records, check_record);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::string text(data + 1, data + size);
  if ((data[0] & 1U) == 0) {
    check_table(text);
    return 0;
  }
  if (const auto found = find_kuma_table(text); found && *found) {
    check_table((*found)->json);
  }
  static_cast<void>(decode_name_record(text));
  return 0;
}
