// A services file over its versions, which an octet 1 parts. Whatever it holds: a version with a
// mistake changes nothing, each problem names a line that is there in words fit for a log, the same
// text again changes nothing, the changes add up to what the last good text says by itself, and
// what is told can be kept on disk and read back.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "discovery/feeds/endpoints_feed.h"
#include "discovery/feeds/mesh_feed.h"
#include "discovery/feeds/name_records.h"
#include "discovery/feeds/resource_encoding.h"
#include "discovery/feeds/service_file.h"
#include "discovery/feeds/yaml_entity.h"
#include "discovery/service.h"
#include "fuzz/require.h"

namespace {

using namespace meshdns::discovery;

using meshdns::fuzz::require;

ServiceFile fresh() { return ServiceFile({.mesh = "default", .zone = "mesh"}); }

// What the changes of a file add up to.
struct Table {
  std::map<ServiceId, Service> services;
  std::map<ServiceId, ServiceEndpoints> endpoints;
  std::map<std::string, NameRecord> records;

  void apply(const ServiceFile::Change& change) {
    for (const ServiceId& id : change.removed_services) {
      require(services.erase(id) == 1, "what goes was there");
    }
    for (const ServiceId& id : change.removed_endpoints) {
      require(endpoints.erase(id) == 1, "endpoints that go were there");
    }
    for (const std::string& name : change.removed_records) {
      require(records.erase(name) == 1, "a record that goes was there");
    }
    for (const Service& service : change.services) {
      services.insert_or_assign(service.id, service);
    }
    for (const ServiceEndpoints& each : change.endpoints) {
      endpoints.insert_or_assign(each.service, each);
    }
    for (const NameRecord& record : change.records) {
      records.insert_or_assign(record.name, record);
    }
  }
  friend bool operator==(const Table&, const Table&) = default;
};

void check_problems(const std::vector<YamlProblem>& problems, std::string_view text) {
  int lines = 1;
  for (const char c : text) {
    lines += c == '\n' ? 1 : 0;
  }
  for (const YamlProblem& problem : problems) {
    require(problem.line >= 1 && problem.line <= lines, "the line of a problem is there");
    require(!problem.reason.empty(), "a problem has a reason");
    for (const char c : problem.reason) {
      require(c >= ' ' && c <= '~', "a reason is printable");
    }
  }
}

void check_kept(const ServiceFile::Change& change) {
  for (const Service& service : change.services) {
    const auto read = decode_service(encode_service(service));
    require(read && *read == service, "a service is read back as it was told");
  }
  for (const ServiceEndpoints& each : change.endpoints) {
    const auto read = decode_endpoints(encode_endpoints(each.service.to_string(), each.endpoints));
    require(read && *read == each, "endpoints are read back as they were told");
  }
  for (const NameRecord& record : change.records) {
    const auto read = decode_name_record(encode_name_record(record));
    require(read && *read == record, "a record is read back as it was told");
  }
}

bool is_empty(const ServiceFile::Change& change) {
  return change.services.empty() && change.removed_services.empty() && change.endpoints.empty() &&
         change.removed_endpoints.empty() && change.records.empty() &&
         change.removed_records.empty();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(data, data + size);
  ServiceFile file = fresh();
  Table table;
  for (std::size_t begin = 0; begin <= input.size();) {
    const std::size_t end = std::min(input.find('\x01', begin), input.size());
    const std::string text = input.substr(begin, end - begin);
    const ServiceFile::Outcome outcome = file.update(text);
    check_problems(outcome.problems, text);
    if (outcome.problems.empty()) {
      table.apply(outcome.change);
      check_kept(outcome.change);
      require(is_empty(file.update(text).change), "the same text changes nothing");
      ServiceFile other = fresh();
      const ServiceFile::Outcome alone = other.update(text);
      require(alone.problems.empty(), "a version is good by itself");
      Table said;
      said.apply(alone.change);
      require(said == table, "changes add up to what the text says");
    } else {
      require(is_empty(outcome.change), "a version with a mistake changes nothing");
    }
    require(file.services() == table.services.size() && file.records() == table.records.size(),
            "the file counts what it holds");
    begin = end + 1;
  }
  return 0;
}
