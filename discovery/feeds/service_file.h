// A services file over its versions: what stands in it, and what a new version changes.
//
// A version is taken whole or not at all. A document whose text is as before is not parsed again.
// No I/O; belongs to whichever thread reads the file.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "discovery/feeds/service_yaml.h"
#include "discovery/feeds/yaml_entity.h"
#include "discovery/service.h"

namespace meshdns::discovery {

class ServiceFile {
 public:
  // From the first mistakes on the rest is noise.
  static constexpr std::size_t kMaxProblems = 100;

  // What makes this version of the one before: services, endpoints and records, new or changed, and
  // those that are gone. A service always comes with endpoints, though there be none.
  struct Change {
    std::vector<Service> services;
    std::vector<ServiceId> removed_services;
    std::vector<ServiceEndpoints> endpoints;
    std::vector<ServiceId> removed_endpoints;
    std::vector<NameRecord> records;
    std::vector<std::string> removed_records;
    std::size_t parsed = 0;  // documents that were looked into
  };
  struct Outcome {
    std::vector<YamlProblem> problems;  // when there are any, nothing changes
    Change change;
  };

  explicit ServiceFile(ServiceFileDefaults defaults) : defaults_(std::move(defaults)) {}

  // Takes the file's next text. Beside what parse_entity() refuses: a file without a document (one
  // that is being rewritten is empty for a moment; `--- ` alone says that there is nothing), a
  // service or record that is there twice, a hostname of two owners, and a text that ends within a
  // line.
  [[nodiscard]] Outcome update(std::string text);

  [[nodiscard]] std::size_t services() const { return services_; }
  [[nodiscard]] std::size_t records() const { return entities_.size() - services_; }

 private:
  using Shared = std::shared_ptr<const FileEntity>;  // null: an empty document
  struct Document {
    std::string_view text;  // within text_
    Shared entity;
  };
  // By ServiceId::to_string(), or the record's name, which has no slash.
  using Entities = std::map<std::string, Shared>;
  struct Version;

  void read_documents(const std::string& text, Version& version) const;
  static void add(const Shared& entity, int line, Version& version);
  [[nodiscard]] static Change difference(const Entities& before, const Entities& after);

  ServiceFileDefaults defaults_;
  std::string text_;
  std::vector<Document> documents_;
  Entities entities_;
  std::size_t services_ = 0;
};

}  // namespace meshdns::discovery
