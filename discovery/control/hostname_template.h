// The template of a hostname, in the part of Go's text/template that Kuma's generators use: text,
// {{ .DisplayName }}, {{ .Name }}, {{ .Namespace }}, {{ .Mesh }}, {{ .Zone }}, {{ label "KEY" }}.
//
// Values; any thread.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace meshdns::discovery {

// What a template is filled in with.
struct TemplateFields {
  std::string name;
  std::string name_space;
  std::string mesh;
  std::string zone;  // empty: it stands in several
  std::map<std::string, std::string> labels;
};

class HostnameTemplate {
 public:
  // kInvalidArgument, naming the action, for what is no template or can give no DNS name.
  [[nodiscard]] static Result<HostnameTemplate> parse(std::string_view text);

  // In lower case. kInvalidArgument where a field or a label is not there, and where what comes of
  // it is no DNS name.
  [[nodiscard]] Result<std::string> render(const TemplateFields& fields) const;

 private:
  struct Part {
    std::string text;   // where there is no field
    std::string field;  // ".Zone", or "label"
    std::string label;  // its key
  };

  [[nodiscard]] static Result<Part> parse_action(std::string_view action);
  [[nodiscard]] static Result<std::string> value_of(const Part& part, const TemplateFields& fields);

  std::vector<Part> parts_;
};

}  // namespace meshdns::discovery
