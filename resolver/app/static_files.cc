#include "resolver/app/static_files.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/file_system.h"
#include "base/ip_address.h"
#include "base/result.h"
#include "resolver/app/ldns.h"  // IWYU pragma: keep
#include "resolver/snapshot/static_records.h"
#include "resolver/snapshot/zone_set.h"
#include "resolver/wire/name.h"
#include "resolver/wire/protocol.h"

namespace meshdns::dns {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const {
    std::fclose(file);  // NOLINT(cppcoreguidelines-owning-memory): the owner does so
  }
};
struct FreeRecord {
  void operator()(ldns_rr* record) const { ldns_rr_free(record); }
};
struct FreeField {
  void operator()(ldns_rdf* field) const { ldns_rdf_deep_free(field); }
};
struct FreeBuffer {
  void operator()(ldns_buffer* buffer) const { ldns_buffer_free(buffer); }
};
using Field = std::unique_ptr<ldns_rdf, FreeField>;

// RFC 2181 section 8. Whoever is told more takes it for 0, or for a week.
constexpr std::uint32_t kMaxTtl = 0x7fff'ffff;

std::string at(const std::string& path, int line) { return fmt::format("{}:{}", path, line); }

std::span<const std::uint8_t> octets_of(const ldns_rdf* field) {
  return {ldns_rdf_data(field), ldns_rdf_size(field)};
}

Result<StaticRecord> to_record(const ldns_rr& record, const std::string& origin) {
  if (ldns_rr_get_class(&record) != LDNS_RR_CLASS_IN) {
    return fail(ErrorCode::kInvalidArgument, origin + ": only class IN is served");
  }
  if (ldns_rr_ttl(&record) > kMaxTtl) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: the TTL is above {} (RFC 2181 section 8)", origin, kMaxTtl));
  }
  const auto owner = Name::from_wire(octets_of(ldns_rr_owner(&record)));
  const std::unique_ptr<ldns_buffer, FreeBuffer> buffer(ldns_buffer_new(LDNS_MAX_PACKETLEN));
  if (!owner || buffer == nullptr ||
      ldns_rr_rdata2buffer_wire(buffer.get(), &record) != LDNS_STATUS_OK) {
    return fail(ErrorCode::kInvalidArgument, origin + ": the record cannot be encoded");
  }
  StaticRecord made;
  made.owner = *owner;
  made.type = static_cast<std::uint16_t>(ldns_rr_get_type(&record));
  made.ttl = ldns_rr_ttl(&record);
  made.rdata.assign(ldns_buffer_begin(buffer.get()),
                    ldns_buffer_begin(buffer.get()) + ldns_buffer_position(buffer.get()));
  made.origin = origin;
  return made;
}

// What ldns keeps from one record to the next.
struct ReaderState {
  std::uint32_t ttl = 0;
  Field origin;
  Field previous;
  int line = 1;
};

// Reads one entry of the file.
ldns_status read_entry(std::FILE* file, ReaderState& state,
                       std::unique_ptr<ldns_rr, FreeRecord>& to) {
  ldns_rr* record = nullptr;
  ldns_rdf* origin = state.origin.release();
  ldns_rdf* previous = state.previous.release();
  const ldns_status status =
      ldns_rr_new_frm_fp_l(&record, file, &state.ttl, &origin, &previous, &state.line);
  state.origin.reset(origin);
  state.previous.reset(previous);
  to.reset(status == LDNS_STATUS_OK ? record : nullptr);
  return status;
}

bool is_directive(ldns_status status) {
  return status == LDNS_STATUS_SYNTAX_ORIGIN || status == LDNS_STATUS_SYNTAX_TTL ||
         status == LDNS_STATUS_SYNTAX_EMPTY;
}

// The words of a line, up to a comment.
std::vector<std::string_view> words_of(std::string_view line) {
  constexpr std::string_view kBlanks = " \t\r\f\v";
  line = line.substr(0, line.find('#'));
  std::vector<std::string_view> words;
  for (std::size_t begin = line.find_first_not_of(kBlanks); begin != std::string_view::npos;) {
    const std::size_t end = std::min(line.find_first_of(kBlanks, begin), line.size());
    words.push_back(line.substr(begin, end - begin));
    begin = line.find_first_not_of(kBlanks, end);
  }
  return words;
}

// That no record of a zone file is in no zone.
Result<void> check_zones(std::span<const StaticRecord> records, const ZoneSet& owned) {
  std::vector<OwnedZone> own;
  for (const StaticRecord& record : records) {
    if (record.type == rrtype::kSoa) {
      OwnedZone zone{record.owner, true, std::nullopt};
      zone.name.fold();
      own.push_back(zone);
    }
  }
  const ZoneSet from_files(std::move(own));
  for (const StaticRecord& record : records) {
    Name name = record.owner;
    name.fold();
    if (from_files.find(name).zone == nullptr && owned.find(name).zone == nullptr) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("{}: {} is in no zone that is held here: give the zone a SOA record, "
                              "or the name its $ORIGIN",
                              record.origin, record.owner.to_text()));
    }
  }
  return {};
}

// What a file holds.
using ReadText = std::function<Result<std::string>(const std::string& path)>;

Result<std::shared_ptr<const StaticRecords>> load_texts(const ReadText& read,
                                                        std::span<const std::string> zone_files,
                                                        std::span<const std::string> hosts_files,
                                                        const ZoneSet& owned, std::uint32_t ttl) {
  std::vector<StaticRecord> all;
  const auto load = [&](const std::string& path, auto parse) -> Result<void> {
    const auto text = read(path);
    if (!text) {
      return tl::unexpected(text.error());
    }
    auto records = parse(path, *text, ttl);
    if (!records) {
      return tl::unexpected(records.error());
    }
    std::ranges::move(*records, std::back_inserter(all));
    return {};
  };
  for (const std::string& path : zone_files) {
    if (auto loaded = load(path, parse_zone_file); !loaded) {
      return tl::unexpected(loaded.error());
    }
  }
  if (auto checked = check_zones(all, owned); !checked) {
    return tl::unexpected(checked.error());
  }
  for (const std::string& path : hosts_files) {
    if (auto loaded = load(path, parse_hosts_file); !loaded) {
      return tl::unexpected(loaded.error());
    }
  }
  return StaticRecords::create(all, owned);
}

}  // namespace

Result<std::vector<StaticRecord>> parse_zone_file(const std::string& path, std::string_view text,
                                                  std::uint32_t default_ttl) {
  std::vector<StaticRecord> records;
  if (text.empty()) {
    return records;
  }
  if (const auto zero = text.find('\0'); zero != std::string_view::npos) {
    const auto line = 1 + std::ranges::count(text.substr(0, zero), '\n');
    return fail(ErrorCode::kInvalidArgument,
                at(path, static_cast<int>(line)) + ": holds a zero octet: is it a zone file?");
  }
  std::string copy(text);
  // ldns takes a last line only with its end.
  copy += '\n';
  const std::unique_ptr<std::FILE, CloseFile> file(::fmemopen(copy.data(), copy.size(), "r"));
  if (file == nullptr) {
    return fail(ErrorCode::kInternal, path + ": cannot be read from memory");
  }
  ReaderState state;
  state.ttl = default_ttl;
  while (std::feof(file.get()) == 0) {
    const int line = state.line;
    std::unique_ptr<ldns_rr, FreeRecord> record;
    const ldns_status status = read_entry(file.get(), state, record);
    if (is_directive(status)) {
      continue;
    }
    if (status == LDNS_STATUS_SYNTAX_INCLUDE) {
      return fail(
          ErrorCode::kInvalidArgument,
          at(path, line) + ": $INCLUDE is not followed: name each file in the configuration");
    }
    if (status != LDNS_STATUS_OK) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("{}: {}", at(path, line), ldns_get_errorstr_by_id(status)));
    }
    auto made = to_record(*record, at(path, line));
    if (!made) {
      return tl::unexpected(made.error());
    }
    records.push_back(std::move(*made));
  }
  return records;
}

Result<std::vector<StaticRecord>> parse_hosts_file(const std::string& path, std::string_view text,
                                                   std::uint32_t ttl) {
  std::vector<StaticRecord> records;
  int number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = std::min(text.find('\n'), text.size());
    const auto words = words_of(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (words.empty()) {
      continue;
    }
    const auto address = IpAddress::parse(words[0]);
    if (!address) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("{}: \"{}\" is no IP address", at(path, number), words[0]));
    }
    if (words.size() == 1) {
      return fail(ErrorCode::kInvalidArgument, at(path, number) + ": the address has no name");
    }
    for (const std::string_view word : std::span(words).subspan(1)) {
      const auto name = Name::from_text(word);
      if (!name || name->view().is_root()) {
        return fail(ErrorCode::kInvalidArgument,
                    fmt::format("{}: \"{}\" is no host name", at(path, number), word));
      }
      const auto octets = address->octets();
      records.push_back({.owner = *name,
                         .type = address->is_v4() ? rrtype::kA : rrtype::kAaaa,
                         .ttl = ttl,
                         .rdata = {octets.begin(), octets.end()},
                         .origin = at(path, number)});
    }
  }
  return records;
}

FileTexts read_texts(FileSystem& files, std::span<const std::string> paths) {
  FileTexts texts;
  for (const std::string& path : paths) {
    if (auto text = read_file(files, path, kMaxStaticFileBytes)) {
      texts.insert_or_assign(path, *std::move(text));
    }
  }
  return texts;
}

Result<std::shared_ptr<const StaticRecords>> load_static_files(
    FileSystem& files, std::span<const std::string> zone_files,
    std::span<const std::string> hosts_files, const ZoneSet& owned, std::uint32_t ttl) {
  const auto read = [&](const std::string& path) {
    return read_file(files, path, kMaxStaticFileBytes);
  };
  return load_texts(read, zone_files, hosts_files, owned, ttl);
}

Result<std::shared_ptr<const StaticRecords>> load_static_files(
    const FileTexts& texts, std::span<const std::string> zone_files,
    std::span<const std::string> hosts_files, const ZoneSet& owned, std::uint32_t ttl) {
  const auto read = [&](const std::string& path) -> Result<std::string> {
    const auto text = texts.find(path);
    if (text == texts.end()) {
      return fail(ErrorCode::kNotFound, path + " could not be read before");
    }
    return text->second;
  };
  return load_texts(read, zone_files, hosts_files, owned, ttl);
}

}  // namespace meshdns::dns
