// A Dataplane file over its versions, which an octet 1 parts. Whatever it holds: a version written
// in place drops nothing, each problem names a line that is there in words fit for a log, the same
// text again changes nothing, and what is made of its dataplanes is what a resolver takes, and what
// gRPC's clients do.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/folder_watch.h"
#include "discovery/control/dataplane_file.h"
#include "discovery/control/grpc_catalog.h"
#include "discovery/control/service_generator.h"
#include "discovery/dataplane.h"
#include "discovery/feeds/mesh_feed.h"
#include "discovery/feeds/resource_encoding.h"
#include "discovery/feeds/yaml_entity.h"
#include "discovery/service.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "fuzz/require.h"
#include "meshdns/mesh/v1/dataplane.pb.h"

namespace {

using namespace meshdns::discovery;

using meshdns::fuzz::require;

void check_problems(const DataplaneFile& file, std::string_view text) {
  int lines = 1;
  for (const char c : text) {
    lines += c == '\n' ? 1 : 0;
  }
  for (const YamlProblem& problem : file.problems()) {
    require(problem.line >= 1 && problem.line <= lines, "the line of a problem is there");
    require(!problem.reason.empty(), "a problem has a reason");
    for (const char c : problem.reason) {
      require(c >= ' ' && c <= '~', "a reason is printable");
    }
  }
}

void check_resources(const DataplaneFile& file) {
  std::map<ServiceId, std::vector<const Dataplane*>> services;
  for (const auto& [id, entry] : file.dataplanes()) {
    require(id == entry.dataplane->id(), "a dataplane stands under its own name");
    require(meshdns::mesh::v1::Dataplane().ParseFromString(encode_dataplane(*entry.dataplane)),
            "a dataplane's resource decodes");
    for (const ServiceId& service : services_of(*entry.dataplane)) {
      services[service].push_back(entry.dataplane.get());
    }
  }
  GrpcCatalog catalog;
  for (const auto& [id, dataplanes] : services) {
    const GeneratedService generated = generate_service(id, dataplanes, "zone");
    const auto decoded = decode_service(encode_service(generated.service));
    require(decoded && *decoded == generated.service, "a resolver takes the service");
    envoy::config::endpoint::v3::ClusterLoadAssignment endpoints;
    require(endpoints.ParseFromString(encode_endpoints(id.to_string(), generated.endpoints)),
            "the endpoints' resource decodes");
    (void)catalog.put(generated);
  }
  (void)catalog.take_changes();
  require(catalog.refused_count() == 0, "gRPC's clients take what is made for them");
}

// A file that has no mistake is what its text says, however it came to be.
void check_against_fresh(const DataplaneFile& file, std::string_view text) {
  if (!file.problems().empty()) {
    return;
  }
  DataplaneFile fresh;
  fresh.update(text);
  require(fresh.problems().empty(), "no problem is overlooked");
  require(std::ranges::equal(file.dataplanes(), fresh.dataplanes(),
                             [](const auto& one, const auto& other) {
                               return *one.second.dataplane == *other.second.dataplane &&
                                      *one.second.line == *other.second.line;
                             }),
          "the file is what its text says");
}

std::set<DataplaneId> ids_of(const DataplaneFile& file) {
  std::set<DataplaneId> ids;
  for (const auto& [id, entry] : file.dataplanes()) {
    ids.insert(id);
  }
  return ids;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // Octets as characters, the same bytes.
  std::string_view rest(reinterpret_cast<const char*>(data), size);  // NOLINT(*-cast)
  DataplaneFile file;
  for (bool is_last = false; !is_last;) {
    const std::size_t end = rest.find('\1');
    is_last = end == std::string_view::npos;
    // On the heap and of the exact size, so that every octet read past the end is seen.
    const std::string text(rest.substr(0, end));
    rest.remove_prefix(is_last ? rest.size() : end + 1);
    const auto before = ids_of(file);
    file.update(text, meshdns::Written::kInPlace);
    const auto in_place = ids_of(file);
    require(std::ranges::includes(in_place, before), "what is written in place drops nothing");
    check_problems(file, text);
    file.update(text);
    check_problems(file, text);
    check_against_fresh(file, text);
    check_resources(file);
    const auto ids = ids_of(file);
    const auto problems = file.problems();
    file.update(text);
    require(ids_of(file) == ids && file.problems() == problems, "the same text changes nothing");
  }
  return 0;
}
