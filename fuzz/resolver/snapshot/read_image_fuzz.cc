// Any octets as the image of a snapshot: what is believed can be served, and written and read
// again.
//
// The input: an octet that is odd when checksums are to be put right first, so that what is behind
// them is reached; the file.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/crc32c.h"
#include "base/result.h"
#include "base/sip_hash.h"
#include "fuzz/octets_in_place.h"
#include "fuzz/require.h"
#include "resolver/snapshot/port_lists.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/snapshot/snapshot_builder.h"
#include "resolver/snapshot/snapshot_image.h"
#include "resolver/snapshot/table_entry.h"
#include "resolver/wire/name.h"

namespace {

using namespace meshdns;
using namespace meshdns::dns;

constexpr std::string_view kFingerprint = "mesh";
constexpr HashKey kKey{1, 2};
constexpr std::size_t kFingerprintSizeOffset = 12;
constexpr std::size_t kSectionHeadOctets = 9;

using meshdns::fuzz::load;
using meshdns::fuzz::require;
using meshdns::fuzz::store;

// The end of the header's marks; 0 when it is cut.
std::size_t end_of_marks(std::string_view file) {
  std::size_t at = kFingerprintSizeOffset;
  if (at + 2 > file.size()) {
    return 0;
  }
  at += 2 + load<std::uint16_t>(file, at);
  if (at + 2 > file.size()) {
    return 0;
  }
  std::size_t marks = load<std::uint16_t>(file, at);
  at += 2;
  for (; marks > 0; --marks) {
    if (at + 2 > file.size()) {
      return 0;
    }
    at += 2 + load<std::uint16_t>(file, at) + 16;
  }
  return at + 4 <= file.size() ? at : 0;
}

void put_right(std::string& file) {
  std::size_t at = end_of_marks(file);
  if (at == 0) {
    return;
  }
  store(crc32c(std::string_view(file).substr(0, at)), at, file);
  at += 4;
  while (at + kSectionHeadOctets <= file.size()) {
    const std::size_t octets = load<std::uint32_t>(file, at + 1);
    if (octets > file.size() - at - kSectionHeadOctets) {
      return;
    }
    store(crc32c(file.substr(at, 5) + file.substr(at + kSectionHeadOctets, octets)), at + 5, file);
    at += kSectionHeadOctets + octets;
  }
}

Result<std::unique_ptr<SnapshotImage>> read(std::string_view file) {
  return read_image(file, kFingerprint, kKey, HttpsRecords::kTlsPorts);
}

void check(std::string_view file) {
  auto image = read(file);
  if (!image) {
    return;
  }
  require(is_image(file), "an image that is none");
  const std::size_t names = (*image)->tables.names.size();
  const ImageHead head{.fingerprint = std::string(kFingerprint), .marks = (*image)->marks};
  const auto builder =
      SnapshotBuilder::create({.owned_zones = {"mesh."}, .hash_key = kKey}).value();
  builder->serve_image(*std::move(image));
  const auto snapshot = builder->build();
  snapshot->tables().names.for_each([&](const NameEntry& entry) {
    const NameView name = entry.name();
    const Snapshot::Host host = snapshot->find(name, snapshot->hash(name));
    require(host.state != Snapshot::NameState::kAbsent, "a name that is not found");
    for (const Port& port : snapshot->ports(host)) {
      require(port.name.size() <= UINT16_MAX, "a port's name is too long");
    }
  });
  std::string written;
  require(write_image(*snapshot, head,
                      [&written](std::string_view piece) -> Result<void> {
                        written += piece;
                        return {};
                      })
              .has_value(),
          "it cannot be written");
  const auto again = read(written);
  require(again.has_value(), "what was written cannot be read");
  require((*again)->tables.names.size() == names && (*again)->marks == head.marks,
          "what was written is not what is read");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  std::string file(data + 1, data + size);
  if ((data[0] & 1U) != 0) {
    put_right(file);
  }
  check(file);
  return 0;
}
