#include "discovery/control/registration_file.h"

#include <cstddef>
#include <fcntl.h>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sys/types.h>

#include "base/file_system.h"
#include "base/log.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "discovery/feeds/yaml_documents.h"

namespace meshdns::discovery {
namespace {

constexpr mode_t kFileMode = 0600;
constexpr mode_t kFolderMode = 0700;
constexpr std::size_t kMaxBytes = std::size_t{1} << 30U;
// Ends the document before it and begins none: what follows may begin with a marker or a directive
// of its own (YAML 1.2 section 9.2).
constexpr const char* kSeparator = "...\n";

}  // namespace

RegistrationFile::RegistrationFile(std::string path, FileSystem& files, UniqueFd lock)
    : path_(std::move(path)), files_(files), lock_(std::move(lock)) {}

Result<std::unique_ptr<RegistrationFile>> RegistrationFile::open(const std::string& folder,
                                                                 FileSystem& files) {
  if (auto made = make_directories(files, folder, kFolderMode); !made) {
    return tl::unexpected(std::move(made.error()));
  }
  auto lock = files.open(folder + "/registrations.lock", O_RDWR | O_CREAT | O_NOFOLLOW, kFileMode);
  if (!lock) {
    return tl::unexpected(std::move(lock.error()));
  }
  if (auto locked = files.lock(lock->get()); !locked) {
    return locked.error().code == ErrorCode::kAlreadyExists
               ? fail(ErrorCode::kAlreadyExists,
                      escape_text(folder) +
                          " is used by another meshdns-cp; give each its own --state-dir")
               : fail(folder + "/registrations.lock", std::move(locked.error()));
  }
  return std::unique_ptr<RegistrationFile>(
      new RegistrationFile(folder + "/registrations.yaml", files, *std::move(lock)));
}

Result<std::vector<std::string>> RegistrationFile::read() const {
  const auto text = read_file(files_, path_, kMaxBytes);
  if (!text && text.error().code == ErrorCode::kNotFound) {
    return std::vector<std::string>();
  }
  return text.map([](const std::string& content) {
    std::vector<std::string> dataplanes;
    for (const YamlDocument& document : split_documents(content)) {
      dataplanes.emplace_back(document.text);
    }
    return dataplanes;
  });
}

Result<void> RegistrationFile::write(const std::vector<std::string>& dataplanes) const {
  std::string content = "# Written by meshdns-cp: Dataplanes that registered themselves.\n";
  for (const std::string& dataplane : dataplanes) {
    content += kSeparator;
    content += dataplane;
    if (!content.ends_with('\n')) {
      content += '\n';
    }
  }
  return replace_file(files_, path_, content, kFileMode);
}

}  // namespace meshdns::discovery
