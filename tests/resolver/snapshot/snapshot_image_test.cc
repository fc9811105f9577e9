#include "resolver/snapshot/snapshot_image.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/crc32c.h"
#include "base/ip_address.h"
#include "base/octets.h"
#include "base/result.h"
#include "base/sip_hash.h"
#include "discovery/service.h"
#include "resolver/snapshot/port_lists.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/snapshot/snapshot_builder.h"
#include "resolver/snapshot/standing.h"
#include "resolver/snapshot/table_entry.h"
#include "resolver/snapshot/zone_set.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {
namespace {

constexpr std::string_view kFingerprint = "mesh=default";
constexpr HashKey kOtherKey{3, 4};

std::unique_ptr<SnapshotBuilder> make_builder(HashKey key = {1, 2}) {
  return SnapshotBuilder::create(
             {.owned_zones = {"mesh."},
              .vip_pools = {*IpPrefix::parse("244.0.0.0/6"), *IpPrefix::parse("fd00:1::/64")},
              .times = {},
              .hash_key = key})
      .value();
}

std::vector<IpAddress> at(const std::vector<std::string>& texts) {
  std::vector<IpAddress> addresses;
  for (const std::string& text : texts) {
    addresses.push_back(*IpAddress::parse(text));
  }
  return addresses;
}

// A table with every kind of entry in it.
void fill(SnapshotBuilder& builder) {
  discovery::Service service;
  service.id = {"default", "web"};
  service.hostnames = {"web.mesh", "Deep.Below.The.mesh"};
  service.ports = {{.name = "http", .number = 80, .protocol = discovery::Protocol::kHttp},
                   {.name = "", .number = 443, .protocol = discovery::Protocol::kKafka}};
  builder.upsert_service(service, {.addresses = at({"244.0.0.1", "fd00:1::1"})});
  service.id = {"default", "many"};
  service.hostnames = {"many.mesh"};
  builder.upsert_service(service,
                         {.addresses = at({"244.0.0.9", "244.0.0.8", "fd00:1::9", "fd00:1::8"})});
  service.id = {"default", "held"};
  service.hostnames = {"held.mesh"};
  service.ports = {{.name = "grpc", .number = 9, .protocol = discovery::Protocol::kGrpc}};
  builder.upsert_service(service, {.addresses = {}, .withheld = true});
  service.id = {"default", "long"};
  service.hostnames = {std::string(60, 'l') + ".mesh"};
  service.ports = {};
  builder.upsert_service(service, {.addresses = at({"244.0.0.3"})});
  service.id = {"default", "gone"};
  service.hostnames = {"gone.mesh"};
  builder.upsert_service(service, {.addresses = at({"244.0.0.4"})});
  builder.remove_service(service.id);  // its pointer stays a while
  builder.upsert_record({"api.example.org", at({"192.0.2.1"}), 300});
  builder.set_ready(true);
}

std::string image_of(const Snapshot& snapshot, const ImageHead& head) {
  std::string file;
  EXPECT_TRUE(write_image(snapshot, head, [&file](std::string_view piece) -> Result<void> {
    file += piece;
    return {};
  }));
  return file;
}

ImageHead head_of() {
  return {.fingerprint = std::string(kFingerprint),
          .marks = {{.feed = "mesh", .generation = 7, .octets = 99}}};
}

std::string sample() {
  const auto builder = make_builder();
  fill(*builder);
  return image_of(*builder->build(), head_of());
}

Result<std::unique_ptr<SnapshotImage>> read(std::string_view file) {
  return read_image(file, kFingerprint, kOtherKey, HttpsRecords::kTlsPorts);
}

// Everything a snapshot says, in an order that follows from the names.
std::vector<std::string> everything(const Snapshot& snapshot) {
  std::vector<std::string> lines;
  snapshot.tables().names.for_each([&](const NameEntry& entry) {
    const Snapshot::Host host = snapshot.find(entry.name(), snapshot.hash(entry.name()));
    std::string line = entry.name().to_text() + " " + std::to_string(static_cast<int>(host.state)) +
                       " " + std::to_string(host.ttl);
    for (std::size_t i = 0; i < host.ipv4.size(); i += 4) {
      line += " " + IpAddress(host.ipv4.subspan(i, 4)).to_string();
    }
    for (std::size_t i = 0; i < host.ipv6.size(); i += 16) {
      line += " " + IpAddress(host.ipv6.subspan(i, 16)).to_string();
    }
    for (const Port& port : snapshot.ports(host)) {
      line += " " + std::to_string(port.number) + "/" + std::string(port.protocol) + "/" +
              port.name + "/" + std::to_string(static_cast<int>(port.alpn)) +
              (port.has_https_record ? "/https" : "");
    }
    lines.push_back(line);
  });
  snapshot.tables().pointers.for_each([&](const PointerEntry& entry) {
    const IpAddress address(std::span(entry.octets).first(entry.is_v4 ? 4 : 16));
    if (const auto pointer = snapshot.find_pointer(address)) {
      lines.push_back(address.to_string() + " -> " + pointer->target.to_text());
    }
  });
  return lines;
}

TEST(SnapshotImage, SaysWhatTheSnapshotSaid) {
  const auto builder = make_builder();
  fill(*builder);
  const auto snapshot = builder->build();
  auto image = read(image_of(*snapshot, head_of()));
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_EQ((*image)->marks, head_of().marks);

  const auto next = make_builder(kOtherKey);
  next->serve_image(*std::move(image));
  const auto served = next->build();
  EXPECT_THAT(everything(*served), testing::UnorderedElementsAreArray(everything(*snapshot)));
  EXPECT_THAT(everything(*served), testing::Contains("web.mesh. 1 30 244.0.0.1 fd00:1::1 "
                                                     "80/http/http/1 443/kafka//0/https"));
}

TEST(SnapshotImage, IsServedInReadyZonesUntilItIsDropped) {
  auto image = read(sample());
  ASSERT_TRUE(image);
  const auto builder = make_builder(kOtherKey);
  (*image)->is_complete = true;
  builder->serve_image(*std::move(image));
  const auto served = builder->build();
  EXPECT_TRUE(served->zones().zones().front().ready);
  EXPECT_TRUE(served->standing().denies);
  builder->drop_image();
  const auto after = builder->build();
  EXPECT_FALSE(after->zones().zones().front().ready);
  EXPECT_GT(after->number(), served->number());
  EXPECT_THAT(everything(*after), testing::IsEmpty());
}

TEST(SnapshotImage, DeniesNothingWhereItIsNotComplete) {
  auto image = read(sample());
  ASSERT_TRUE(image);
  const auto builder = make_builder(kOtherKey);
  builder->serve_image(*std::move(image));
  builder->set_age(Standing::Age::kStale);
  EXPECT_EQ(builder->build()->standing(),
            (Standing{.age = Standing::Age::kStale, .denies = false}));
}

TEST(SnapshotImage, OfAnEmptyTableIsATable) {
  const auto image = read(image_of(*make_builder()->build(), head_of()));
  ASSERT_TRUE(image);
  EXPECT_EQ((*image)->tables.names.size(), 0U);
}

TEST(SnapshotImage, EveryPrefixIsNone) {
  const std::string file = sample();
  for (std::size_t size = 0; size < file.size(); ++size) {
    const auto image = read(std::string_view(file).substr(0, size));
    ASSERT_FALSE(image) << size;
    EXPECT_EQ(image.error().code, ErrorCode::kCorrupt) << size;
  }
}

TEST(SnapshotImage, EveryTornSectorIsNone) {
  const std::string file = sample();
  for (std::size_t at = 0; at < file.size(); at += 64) {
    std::string torn = file;
    const std::size_t size = std::min<std::size_t>(64, file.size() - at);
    torn.replace(at, size, std::string(size, '\0'));
    EXPECT_FALSE(read(torn)) << at;
  }
}

TEST(SnapshotImage, EveryFlippedBitIsFound) {
  const std::string file = sample();
  for (std::size_t bit = 0; bit < file.size() * 8; ++bit) {
    std::string flipped = file;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ static_cast<char>(1U << (bit % 8)));
    EXPECT_FALSE(read(flipped)) << bit;
  }
}

TEST(SnapshotImage, OfAnotherConfigurationIsNotFound) {
  const auto image = read_image(sample(), "mesh=other", kOtherKey, HttpsRecords::kTlsPorts);
  ASSERT_FALSE(image);
  EXPECT_EQ(image.error().code, ErrorCode::kNotFound);
}

TEST(SnapshotImage, OfAnotherVersionIsNotFoundAndStillOneOfOurs) {
  std::string file = sample();
  file[8] = 2;
  const auto image = read(file);
  ASSERT_FALSE(image);
  EXPECT_EQ(image.error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(is_image(file));
}

TEST(SnapshotImage, ForeignFilesAreCorrupt) {
  for (const std::string_view file : {"", "x", "#!/bin/sh\n", "mdnsfeed\1\0\0\0"}) {
    const auto image = read(file);
    ASSERT_FALSE(image);
    EXPECT_EQ(image.error().code, ErrorCode::kCorrupt);
    EXPECT_FALSE(is_image(file));
  }
}

// A section with a right checksum around these octets, between a good header and a good end.
std::string with_section(std::uint8_t kind, const std::string& payload, std::uint64_t names = 1) {
  const std::string empty = image_of(*make_builder()->build(), head_of());
  const auto section = [](std::uint8_t section_kind, const std::string& octets) {
    std::string head;
    append_number(head, section_kind);
    append_number(head, static_cast<std::uint32_t>(octets.size()));
    const std::uint32_t checksum = crc32c(head + octets);
    append_number(head, checksum);
    return head + octets;
  };
  std::string end;
  append_number(end, names);
  append_number(end, std::uint64_t{0});
  const std::size_t end_octets = section(4, end).size();
  return empty.substr(0, empty.size() - end_octets) + section(kind, payload) + section(4, end);
}

std::string name_entry(std::uint8_t kind, std::uint16_t ports, const std::string& name) {
  std::string payload;
  append_number(payload, kind);
  append_number(payload, std::uint32_t{30});
  append_number(payload, ports);
  append_text<std::uint8_t>(payload, name);
  append_number(payload, std::uint32_t{0});  // no addresses
  return payload;
}

TEST(SnapshotImage, BelievesNoChecksumAlone) {
  const std::string name("\3web\4mesh\0", 10);
  ASSERT_TRUE(read(with_section(2, name_entry(1, 0, name))));
  const std::vector<std::pair<const char*, std::string>> cases{
      {"a kind that is free", name_entry(0, 0, name)},
      {"a kind that nobody knows", name_entry(4, 0, name)},
      {"ports that are not there", name_entry(1, 1, name)},
      {"a name without end", name_entry(1, 0, name.substr(0, 9))},
      {"octets behind the name's end", name_entry(1, 0, name + "x")},
      {"the root", name_entry(1, 0, std::string(1, '\0'))},
      {"capital letters", name_entry(1, 0, std::string("\3Web\4mesh\0", 10))},
      {"a compression pointer", name_entry(1, 0, std::string("\3web\xc0\x0c", 6))},
      {"the same name twice", name_entry(1, 0, name) + name_entry(1, 0, name)},
      {"half an entry", name_entry(1, 0, name).substr(0, 12)},
  };
  for (const auto& [what, payload] : cases) {
    EXPECT_FALSE(read(with_section(2, payload))) << what;
  }
  EXPECT_FALSE(read(with_section(2, name_entry(1, 0, name), 2))) << "another number of names";
  EXPECT_FALSE(read(with_section(9, name_entry(1, 0, name), 0))) << "a section nobody knows";
}

TEST(SnapshotImage, EndsWithTheFirstFailureOfTheSink) {
  const auto builder = make_builder();
  fill(*builder);
  int calls = 0;
  const auto written =
      write_image(*builder->build(), head_of(), [&calls](std::string_view) -> Result<void> {
        return ++calls == 2 ? Result<void>(fail(ErrorCode::kNoSpace, "full")) : Result<void>();
      });
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace meshdns::dns
