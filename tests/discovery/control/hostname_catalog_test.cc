#include "discovery/control/hostname_catalog.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "discovery/hostname_generator.h"
#include "discovery/service.h"

namespace meshdns::discovery {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class HostnameCatalogTest : public testing::Test {
 protected:
  void generate(const std::string& name, const std::string& text,
                HostnameGenerator more = HostnameGenerator()) {
    more.hostname_template = text;
    catalog_.set_generator(name, more);
  }
  // The service's hostnames; the others that it touched are in touched_, what it lacks in
  // warnings_.
  std::vector<std::string> put(const std::string& name, HostnameCatalog::Origin origin =
                                                            HostnameCatalog::Origin::kDataplanes) {
    Service service;
    service.id = {"default", name};
    service.zone = "east";
    service.tags = {{"team", name.substr(0, 1)}};
    service.hostnames = {name + ".mesh"};
    warnings_.clear();
    touched_ = catalog_.put(service, origin, warnings_);
    return service.hostnames;
  }

  HostnameCatalog catalog_;
  std::vector<ServiceId> touched_;
  std::vector<std::string> warnings_;
};

TEST_F(HostnameCatalogTest, GivesNothingWithoutGenerators) {
  EXPECT_THAT(put("web"), ElementsAre("web.mesh"));
}

TEST_F(HostnameCatalogTest, AddsTheNameOfEachGeneratorThatSelectsTheService) {
  generate("a", "{{ .DisplayName }}.svc.{{ .Zone }}.mesh.local");
  generate("b", "{{ .DisplayName }}.web.mesh",
           {.selects = {}, .match_labels = {{"team", "w"}}, .hostname_template = {}});
  generate("c", "{{ .DisplayName }}.ext.mesh",
           {.selects = HostnameGenerator::Selects::kExternal,
            .match_labels = {},
            .hostname_template = {}});
  generate("d", "{{ .DisplayName }}.zone.mesh",
           {.selects = HostnameGenerator::Selects::kOfDataplanes,
            .match_labels = {{"kuma.io/origin", "zone"}},
            .hostname_template = {}});
  EXPECT_THAT(put("web"),
              ElementsAre("web.mesh", "web.svc.east.mesh.local", "web.web.mesh", "web.zone.mesh"));
  EXPECT_THAT(put("db"), ElementsAre("db.mesh", "db.svc.east.mesh.local", "db.zone.mesh"));
  EXPECT_THAT(put("api", HostnameCatalog::Origin::kExternal),
              ElementsAre("api.mesh", "api.ext.mesh", "api.svc.east.mesh.local"));
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(HostnameCatalogTest, GivesAContestedNameToTheFirstInOrderWhoeverComesFirst) {
  generate("one", "same.mesh.local");
  EXPECT_THAT(put("web"), ElementsAre("web.mesh", "same.mesh.local"));
  EXPECT_THAT(put("db"), ElementsAre("db.mesh", "same.mesh.local"));
  EXPECT_THAT(touched_, ElementsAre(ServiceId{"default", "web"}));
  EXPECT_THAT(put("web"), ElementsAre("web.mesh"));
  EXPECT_THAT(warnings_, ElementsAre("the hostname same.mesh.local of the generator one is the "
                                     "service default/db's"));
  EXPECT_THAT(touched_, IsEmpty());
  EXPECT_THAT(catalog_.remove({"default", "db"}), ElementsAre(ServiceId{"default", "web"}));
  EXPECT_THAT(put("web"), ElementsAre("web.mesh", "same.mesh.local"));
}

TEST_F(HostnameCatalogTest, LeavesAServiceItsOwnName) {
  generate("bold", R"({{ label "team" }}.mesh)");
  EXPECT_THAT(put("web"), ElementsAre("web.mesh", "w.mesh"));
  EXPECT_THAT(put("w"), ElementsAre("w.mesh"));
  EXPECT_THAT(warnings_, IsEmpty()) << "it has that name already";
  EXPECT_THAT(touched_, ElementsAre(ServiceId{"default", "web"}));
  EXPECT_THAT(put("web"), ElementsAre("web.mesh"));
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("is the service default/w's")));
}

TEST_F(HostnameCatalogTest, TellsMeshesApart) {
  generate("one", "same.mesh.local");
  put("web");
  Service other;
  other.id = {"other", "web"};
  std::vector<std::string> warnings;
  EXPECT_THAT(catalog_.put(other, HostnameCatalog::Origin::kDataplanes, warnings), IsEmpty());
  EXPECT_THAT(other.hostnames, ElementsAre("same.mesh.local"));
}

TEST_F(HostnameCatalogTest, ReportsWhatATemplateCannotBeFilledInWith) {
  generate("tier", R"({{ label "tier" }}.mesh)");
  EXPECT_THAT(put("web"), ElementsAre("web.mesh"));
  EXPECT_THAT(warnings_,
              ElementsAre("the hostname generator tier gives it no name: it has no label "
                          "or tag 'tier'"));
}

TEST_F(HostnameCatalogTest, ForgetsAGeneratorThatGoes) {
  generate("one", "{{ .Name }}.one.mesh");
  put("web");
  catalog_.remove_generator("one");
  EXPECT_THAT(put("web"), ElementsAre("web.mesh"));
  generate("two", "{{ .Name }}.one.mesh");
  EXPECT_THAT(put("web"), ElementsAre("web.mesh", "web.one.mesh"));
}

}  // namespace
}  // namespace meshdns::discovery
