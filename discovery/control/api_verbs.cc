#include "discovery/control/api_verbs.h"

#include <CLI/CLI.hpp>

#include "base/file_system.h"
#include "base/result.h"
#include "discovery/control/api_commands.h"
#include "discovery/dataplane.h"
#include "discovery/entity_id.h"

namespace meshdns::discovery {

ApiVerbs::ApiVerbs(CLI::App& app)
    : apply_(app.add_subcommand("apply", "put entities into a running control plane")),
      get_(app.add_subcommand("get", "show the entities of a running control plane")),
      delete_(app.add_subcommand("delete", "take an entity out that apply put in")) {
  apply_
      ->add_option("-f,--file", paths_,
                   "YAML or JSON file, folder of them, or - for standard input; may be repeated")
      ->required();
  for (CLI::App* const verb : {get_, delete_}) {
    verb->add_option("kind", kind_, "dataplanes, external-services or hostname-generators")
        ->required()
        ->check(CLI::IsMember({"dataplane", "dataplanes", "external-service", "external-services",
                               "hostname-generator", "hostname-generators"}));
    verb->add_option("--mesh", get_options_.mesh, "mesh; default: where there is a name, default");
  }
  get_->add_option("name", get_options_.name, "one of them alone");
  get_->add_option("-o,--output", form_, "table, yaml or json")
      ->capture_default_str()
      ->check(CLI::IsMember({"table", "yaml", "json"}));
  delete_->add_option("name", get_options_.name, "which")->required();
  for (CLI::App* const verb : {apply_, get_, delete_}) {
    verb->add_option("--address", options_.address, "the control plane's API: ADDRESS:PORT")
        ->capture_default_str()
        ->envname("MESHDNS_CP_ADDRESS");
  }
}

bool ApiVerbs::parsed() const { return apply_->parsed() || get_->parsed() || delete_->parsed(); }

Result<void> ApiVerbs::run() const {
  PosixFileSystem files;
  GetOptions get = get_options_;
  get.form = form_ == "yaml"   ? EntityForm::kYaml
             : form_ == "json" ? EntityForm::kJson
                               : EntityForm::kTable;
  get.kind = kind_.starts_with("external")   ? EntityKind::kExternalService
             : kind_.starts_with("hostname") ? EntityKind::kHostnameGenerator
                                             : EntityKind::kDataplane;
  const bool is_default = get.mesh.empty() && is_of_a_mesh(get.kind);
  const DataplaneId id{is_default ? "default" : get.mesh, get.name, get.kind};
  return apply_->parsed() ? apply_entities(paths_, files, options_)
         : get_->parsed() ? get_entities(get, options_)
                          : delete_entity(id, options_);
}

}  // namespace meshdns::discovery
