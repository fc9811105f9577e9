#include "discovery/control/hostname_template.h"

#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace meshdns::discovery {
namespace {

using testing::HasSubstr;

const TemplateFields kFields{.name = "Backend",
                             .name_space = "shop",
                             .mesh = "default",
                             .zone = "east",
                             .labels = {{"team", "blue"}, {"odd", "a b"}}};

TEST(HostnameTemplate, FillsInWhatKumasTemplatesHave) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"{{ .DisplayName }}.svc.mesh.local", "backend.svc.mesh.local"},
      {"{{.Name}}.{{ .Namespace }}.svc.{{\t.Zone }}.mesh.local",
       "backend.shop.svc.east.mesh.local"},
      {R"({{ label "team" }}.{{ .Mesh }})", "blue.default"},
      {"{{ label `team` }}-{{.Name}}.mesh", "blue-backend.mesh"},
      {"www.Example.org", "www.example.org"},
  };
  for (const auto& [text, name] : cases) {
    const auto parsed = HostnameTemplate::parse(text);
    ASSERT_TRUE(parsed) << text << ": " << parsed.error().message;
    EXPECT_EQ(parsed->render(kFields).value_or("nothing"), name) << text;
  }
}

TEST(HostnameTemplate, RefusesWhatIsNone) {
  for (const std::string text :
       {"", "{{", "{{ .Name", "{{ }}", "{{ .Nmae }}", "{{ label }}", "{{ label team }}",
        R"({{ label "" }})", R"({{ label "a" "b" }})", R"({{ label "a\"b" }})",
        R"({{ label "team` }})", "{{ if .Name }}x{{ end }}", "{{ .Name | upper }}",
        "}} {{ .Name }}", ".{{ .Name }}", "{{ .Name }}..mesh", "{{ .Name }}.", "a b.{{ .Name }}",
        "{{ .Name }}/x"}) {
    EXPECT_FALSE(HostnameTemplate::parse(text)) << text;
  }
  EXPECT_FALSE(HostnameTemplate::parse("{{ .Name }}." + std::string(250, 'a')));
}

TEST(HostnameTemplate, SaysWhatIsMissing) {
  const auto why = [](const std::string& text, const TemplateFields& fields) {
    return HostnameTemplate::parse(text).value().render(fields).error().message;
  };
  EXPECT_EQ(why(R"({{ label "tier" }}.mesh)", kFields), "it has no label or tag 'tier'");
  EXPECT_EQ(why(R"({{ label "odd" }}.mesh)", kFields), R"('a\032b.mesh' is no DNS name)");
  TemplateFields everywhere = kFields;
  everywhere.zone = "";
  EXPECT_EQ(why("{{ .Name }}.{{ .Zone }}", everywhere), "it has no .Zone");
  TemplateFields long_name = kFields;
  long_name.name = std::string(70, 'a');
  EXPECT_THAT(why("{{ .Name }}.mesh", long_name), HasSubstr("is no DNS name"));
}

}  // namespace
}  // namespace meshdns::discovery
