#include "discovery/control/token_revocations.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include <sys/types.h>

#include "base/file_system.h"
#include "base/result.h"

namespace meshdns::discovery {
namespace {

constexpr std::size_t kMaxBytes = 16UL << 20U;
constexpr std::string_view kBlanks = " \t\r";
constexpr mode_t kMode = 0644;

}  // namespace

TokenIds parse_revocations(std::string_view text) {
  TokenIds ids;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    line.remove_prefix(std::min(line.size(), line.find_first_not_of(kBlanks)));
    line = line.substr(0, line.find_last_not_of(kBlanks) + 1);
    if (!line.empty() && line.front() != '#') {
      ids.emplace(line);
    }
  }
  return ids;
}

Result<std::string> read_revocations(FileSystem& files, const std::string& path) {
  auto text = read_file(files, path, kMaxBytes);
  if (!text && text.error().code == ErrorCode::kNotFound) {
    return std::string();
  }
  return text;
}

Result<void> add_revocation(FileSystem& files, const std::string& path, const std::string& id) {
  auto text = read_revocations(files, path);
  if (!text) {
    return tl::unexpected(std::move(text.error()));
  }
  if (parse_revocations(*text).contains(id)) {
    return {};
  }
  if (!text->empty() && !text->ends_with('\n')) {
    *text += '\n';
  }
  return replace_file(files, path, *text + id + "\n", kMode);
}

}  // namespace meshdns::discovery
