// A body that is put over the API. Whatever it holds: what is wrong is told in words fit for a log,
// and a good one is kept in a form that is read as the same, again and again.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "discovery/control/dataplane_yaml.h"
#include "discovery/control/entity_json.h"
#include "discovery/entity_id.h"
#include "discovery/feeds/yaml_documents.h"
#include "discovery/feeds/yaml_entity.h"
#include "fuzz/require.h"

namespace {

using namespace meshdns::discovery;

using meshdns::fuzz::require;

void check_document(std::string_view text) {
  const ParsedDocument parsed = parse_document(text);
  require(parsed.problem.has_value() == !parsed.problems.empty(), "a problem is told, or none");
  require(parsed.problems.size() <= kMaxFieldProblems, "the problems are bounded");
  for (const FieldProblem& each : parsed.problems) {
    for (const std::string& words : {each.field, each.problem.reason}) {
      for (const char c : words) {
        require(c >= ' ' && c <= '~', "a problem is printable");
      }
    }
  }
  const auto members = members_of(text);
  if (!parsed.dataplane || !members) {
    return;
  }
  const EntityId id{parsed.dataplane->kind, parsed.dataplane->mesh, parsed.dataplane->name};
  for (const std::string& form : {*members, members_of(*parsed.dataplane)}) {
    const std::string json = entity_json(id, times_text("then", "now"), form);
    const ParsedDocument again = parse_document(json);
    if (!again.dataplane && json.size() > kMaxDocumentBytes) {
      continue;
    }
    require(again.dataplane && *again.dataplane == *parsed.dataplane, "it is read as the same");
    require(members_of(json) == form, "and kept as the same");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // Octets as characters, the same bytes.
  const std::string text(reinterpret_cast<const char*>(data), size);  // NOLINT(*-cast)
  for (const YamlDocument& document : split_documents(text)) {
    check_document(document.text);
  }
  return 0;
}
