#include "resolver/snapshot/snapshot_image.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/crc32c.h"
#include "base/ip_address.h"
#include "base/octets.h"
#include "base/result.h"
#include "base/sip_hash.h"
#include "discovery/service.h"
#include "resolver/snapshot/host_entry.h"
#include "resolver/snapshot/port_lists.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/snapshot/table_entry.h"
#include "resolver/snapshot/wildcard_depths.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {
namespace {

constexpr std::string_view kMagic = "mdnstabl";
constexpr std::size_t kSectionOctets = std::size_t{1} << 18U;
constexpr std::size_t kSectionHeadOctets = 5;  // what stands before a section's checksum

enum class SectionKind : std::uint8_t { kPorts = 1, kNames = 2, kPointers = 3, kEnd = 4 };

std::string_view as_text(std::span<const std::uint8_t> octets) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): octets are written as char.
  return {reinterpret_cast<const char*>(octets.data()), octets.size()};
}

std::span<const std::uint8_t> as_octets(std::string_view text) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): and read as such.
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// Gathers sections and hands them on.
class SectionWriter {
 public:
  explicit SectionWriter(const ImageSink& sink) : sink_(sink) {}

  // To append to; of `kind` from now on.
  std::string& payload(SectionKind kind) {
    if (kind != kind_ || payload_.size() >= kSectionOctets) {
      flush();
      kind_ = kind;
    }
    return payload_;
  }
  [[nodiscard]] Result<void> finish() {
    flush();
    return std::move(result_);
  }

 private:
  void flush() {
    if (!payload_.empty() && result_) {
      std::string head;
      append_number(head, static_cast<std::uint8_t>(kind_));
      append_number(head, static_cast<std::uint32_t>(payload_.size()));
      const std::uint32_t checksum = crc32c(head + payload_);
      append_number(head, checksum);
      result_ = sink_(head).and_then([this] { return sink_(payload_); });
    }
    payload_.clear();
  }

  const ImageSink& sink_;
  SectionKind kind_ = SectionKind::kPorts;
  std::string payload_;
  Result<void> result_;
};

void write_ports(const Snapshot& snapshot, SectionWriter& writer) {
  std::vector<bool> used(std::size_t{kPortsNotTold} + 1);
  snapshot.tables().names.for_each([&](const NameEntry& entry) { used[entry.ports] = true; });
  for (std::size_t index = kNoPorts + 1; index < kPortsNotTold; ++index) {
    if (!used[index]) {
      continue;
    }
    Snapshot::Host host;
    host.ports = static_cast<PortListIndex>(index);
    const auto ports = snapshot.ports(host);
    std::string& out = writer.payload(SectionKind::kPorts);
    append_number(out, static_cast<std::uint16_t>(index));
    append_number(out, static_cast<std::uint16_t>(ports.size()));
    for (const Port& port : ports) {
      append_number(out, port.number);
      append_number(
          out, static_cast<std::uint8_t>(
                   discovery::parse_protocol(port.protocol).value_or(discovery::Protocol::kTcp)));
      append_text<std::uint16_t>(out, std::string_view(port.name).substr(0, UINT16_MAX));
    }
  }
}

void write_name(const NameEntry& entry, SectionWriter& writer) {
  std::string& out = writer.payload(SectionKind::kNames);
  append_number(out, static_cast<std::uint8_t>(entry.kind));
  append_number(out, entry.ttl);
  append_number(out, entry.ports);
  append_text<std::uint8_t>(out, as_text(entry.name().octets()));
  append_number(out, static_cast<std::uint16_t>(entry.ipv4_octets().size() / 4));
  append_number(out, static_cast<std::uint16_t>(entry.ipv6_octets().size() / 16));
  out += as_text(entry.ipv4_octets());
  out += as_text(entry.ipv6_octets());
}

// The names that pointers lead to lie all over the table: it fetches those of some before it looks
// at the first, which then costs a third.
class PointerWriter {
 public:
  PointerWriter(const Snapshot& snapshot, SectionWriter& writer)
      : snapshot_(snapshot), writer_(writer) {}

  // `entry` lives until finish().
  void add(const PointerEntry& entry) {
    snapshot_.prefetch(entry.name_hash);
    ahead_[count_++] = &entry;
    if (count_ == ahead_.size()) {
      write();
    }
  }
  // How many were written.
  [[nodiscard]] std::uint64_t finish() {
    write();
    return written_;
  }

 private:
  static constexpr std::size_t kAhead = 32;

  void write() {
    for (const PointerEntry* const entry : std::span(ahead_).first(std::exchange(count_, 0))) {
      const auto pointer = snapshot_.follow(*entry);
      if (!pointer) {
        continue;  // leads nowhere any more
      }
      ++written_;
      std::string& out = writer_.payload(SectionKind::kPointers);
      append_number(out, static_cast<std::uint8_t>(entry->is_v4 ? 4 : 6));
      out += as_text(entry->address().octets());
      append_text<std::uint8_t>(out, as_text(pointer->target.octets()));
    }
  }

  const Snapshot& snapshot_;
  SectionWriter& writer_;
  std::array<const PointerEntry*, kAhead> ahead_{};
  std::size_t count_ = 0;
  std::uint64_t written_ = 0;
};

// Reads the sections into tables. Nothing of a file that is not whole counts.
class ImageReader {
 public:
  ImageReader(const HashKey& key, HttpsRecords https_records, SnapshotImage& image)
      : key_(key), image_(image), lists_(https_records) {}

  [[nodiscard]] bool read(std::string_view sections) {
    OctetReader reader(sections);
    while (!ended_) {
      const std::string_view head = reader.take(kSectionHeadOctets);
      const auto checksum = reader.number<std::uint32_t>();
      OctetReader fields(head);
      const auto kind = static_cast<SectionKind>(fields.number<std::uint8_t>());
      const std::string_view payload = reader.take(fields.number<std::uint32_t>());
      if (!reader.ok() || !fields.ok() || !is_intact(head, payload, checksum) ||
          !take(kind, payload)) {
        return false;
      }
    }
    image_.ports = lists_.view();
    return reader.at_end();
  }

 private:
  [[nodiscard]] bool is_intact(std::string_view head, std::string_view payload,
                               std::uint32_t checksum) {
    checked_.assign(head);
    checked_ += payload;
    return crc32c(checked_) == checksum;
  }

  [[nodiscard]] bool take(SectionKind kind, std::string_view payload) {
    OctetReader reader(payload);
    bool good = !payload.empty();
    while (good && !reader.at_end()) {
      switch (kind) {
        case SectionKind::kPorts:
          good = take_ports(reader);
          break;
        case SectionKind::kNames:
          good = take_name(reader);
          break;
        case SectionKind::kPointers:
          good = take_pointer(reader);
          break;
        case SectionKind::kEnd:
          ended_ = true;
          good = reader.number<std::uint64_t>() == image_.tables.names.size() &&
                 reader.number<std::uint64_t>() == image_.tables.pointers.size() && reader.at_end();
          break;
        default:
          good = false;
      }
      good = good && reader.ok();
    }
    return good;
  }

  [[nodiscard]] bool take_ports(OctetReader& reader) {
    const auto index = reader.number<std::uint16_t>();
    const auto count = reader.number<std::uint16_t>();
    std::vector<discovery::ServicePort> ports;
    for (std::uint16_t i = 0; i < count && reader.ok(); ++i) {
      const auto number = reader.number<std::uint16_t>();
      const auto protocol = reader.number<std::uint8_t>();
      if (protocol > static_cast<std::uint8_t>(discovery::Protocol::kKafka)) {
        return false;
      }
      ports.push_back({.name = std::string(reader.text<std::uint16_t>()),
                       .number = number,
                       .protocol = static_cast<discovery::Protocol>(protocol)});
    }
    return reader.ok() && index != kNoPorts && index != kPortsNotTold &&
           indexes_.emplace(index, lists_.acquire(ports)).second;
  }

  [[nodiscard]] std::optional<PortListIndex> ports_of(PortListIndex stored) const {
    if (stored == kNoPorts || stored == kPortsNotTold) {
      return stored;
    }
    const auto found = indexes_.find(stored);
    return found == indexes_.end() ? std::nullopt : std::optional(found->second);
  }

  // A folded name, at most 255 octets; nothing where it is none.
  [[nodiscard]] static std::optional<Name> take_wire_name(OctetReader& reader) {
    const auto octets = as_octets(reader.text<std::uint8_t>());
    auto name = Name::from_wire(octets);
    if (!name || name->view().is_root()) {
      return std::nullopt;
    }
    name->fold();
    return std::ranges::equal(name->octets(), octets) ? name : std::nullopt;
  }

  [[nodiscard]] bool take_name(OctetReader& reader) {
    const auto kind = reader.number<std::uint8_t>();
    const auto ttl = reader.number<std::uint32_t>();
    const auto ports = ports_of(reader.number<std::uint16_t>());
    const auto name = take_wire_name(reader);
    const auto ipv4 = reader.number<std::uint16_t>();
    const auto ipv6 = reader.number<std::uint16_t>();
    addresses_.clear();
    take_addresses(reader, ipv4, 4);
    take_addresses(reader, ipv6, 16);
    if (!reader.ok() || !ports || !name || kind < static_cast<std::uint8_t>(EntryKind::kHost) ||
        kind > static_cast<std::uint8_t>(EntryKind::kEmptyNonTerminal)) {
      return false;
    }
    const std::uint64_t hash = hash_of(*name);
    if (image_.tables.names.find(hash, [&](const NameEntry& other) {
          return other.name() == name->view();
        }) != nullptr) {
      return false;  // twice
    }
    fill(image_.tables.names.insert(hash), {.kind = static_cast<EntryKind>(kind),
                                            .name = *name,
                                            .addresses = addresses_,
                                            .ttl = ttl,
                                            .ports = *ports});
    if (is_host(static_cast<EntryKind>(kind)) && WildcardDepths::is_wildcard(*name)) {
      image_.tables.wildcards.add(*name);
    }
    return true;
  }

  void take_addresses(OctetReader& reader, std::uint16_t count, std::size_t octets_each) {
    for (std::uint16_t i = 0; i < count; ++i) {
      const auto octets = as_octets(reader.take(octets_each));
      if (!reader.ok()) {
        return;
      }
      addresses_.emplace_back(octets);
    }
  }

  [[nodiscard]] bool take_pointer(OctetReader& reader) {
    const auto family = reader.number<std::uint8_t>();
    const auto octets = as_octets(reader.take(family == 4 ? 4 : 16));
    const auto name = take_wire_name(reader);
    if (!reader.ok() || !name || (family != 4 && family != 6)) {
      return false;
    }
    const IpAddress address(octets);
    const std::uint64_t hash = hash_address(key_, address);
    if (image_.tables.pointers.find(
            hash, [&](const PointerEntry& other) { return other.is_of(address); }) != nullptr) {
      return false;
    }
    PointerEntry& entry = image_.tables.pointers.insert(hash);
    entry.used = true;
    entry.is_v4 = address.is_v4();
    entry.name_hash = hash_of(*name);
    std::ranges::copy(octets, entry.octets.begin());
    return true;
  }

  [[nodiscard]] std::uint64_t hash_of(const Name& name) const {
    return sip_hash<1, 3>(key_, name.octets());
  }

  const HashKey& key_;
  SnapshotImage& image_;
  PortLists lists_;
  std::unordered_map<PortListIndex, PortListIndex> indexes_;  // as stored, to lists_
  std::vector<IpAddress> addresses_;
  std::string checked_;
  bool ended_ = false;
};

}  // namespace

Result<void> write_image(const Snapshot& snapshot, const ImageHead& head, const ImageSink& sink) {
  std::string header(kMagic);
  append_number(header, kImageVersion);
  append_text<std::uint16_t>(header, head.fingerprint);
  append_number(header, static_cast<std::uint16_t>(head.marks.size()));
  for (const FeedMark& mark : head.marks) {
    append_text<std::uint16_t>(header, mark.feed);
    append_number(header, mark.generation);
    append_number(header, mark.octets);
  }
  append_number(header, crc32c(header));
  if (auto written = sink(header); !written) {
    return written;
  }
  SectionWriter writer(sink);
  write_ports(snapshot, writer);
  snapshot.tables().names.for_each([&](const NameEntry& entry) { write_name(entry, writer); });
  PointerWriter pointer_writer(snapshot, writer);
  snapshot.tables().pointers.for_each(
      [&](const PointerEntry& entry) { pointer_writer.add(entry); });
  const std::uint64_t pointers = pointer_writer.finish();
  std::string& end = writer.payload(SectionKind::kEnd);
  append_number(end, std::uint64_t{snapshot.tables().names.size()});
  append_number(end, pointers);
  return writer.finish();
}

Result<std::unique_ptr<SnapshotImage>> read_image(std::string_view file,
                                                  std::string_view fingerprint, const HashKey& key,
                                                  HttpsRecords https_records) {
  OctetReader reader(file);
  if (reader.take(kMagic.size()) != kMagic) {
    return fail(ErrorCode::kCorrupt, "it is no table of this program");
  }
  if (reader.number<std::uint32_t>() != kImageVersion && reader.ok()) {
    return fail(ErrorCode::kNotFound, "it is of another version of this program");
  }
  auto image = std::make_unique<SnapshotImage>();
  const std::string_view theirs = reader.text<std::uint16_t>();
  const auto marks = reader.number<std::uint16_t>();
  for (std::uint16_t i = 0; i < marks && reader.ok(); ++i) {
    FeedMark mark;
    mark.feed = reader.text<std::uint16_t>();
    mark.generation = reader.number<std::uint64_t>();
    mark.octets = reader.number<std::uint64_t>();
    image->marks.push_back(std::move(mark));
  }
  const std::size_t checked = file.size() - reader.left();
  const auto checksum = reader.number<std::uint32_t>();
  if (!reader.ok() || crc32c(file.substr(0, checked)) != checksum) {
    return fail(ErrorCode::kCorrupt, "its header is damaged");
  }
  if (theirs != fingerprint) {
    return fail(ErrorCode::kNotFound, "it was made under another configuration");
  }
  if (!ImageReader(key, https_records, *image).read(file.substr(file.size() - reader.left()))) {
    return fail(ErrorCode::kCorrupt, "it is damaged");
  }
  return image;
}

bool is_image(std::string_view head) { return head.starts_with(kMagic); }

}  // namespace meshdns::dns
