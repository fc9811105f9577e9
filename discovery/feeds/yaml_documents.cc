#include "discovery/feeds/yaml_documents.h"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace meshdns::discovery {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

enum class LineKind : std::uint8_t {
  kNothing,    // blank or a comment
  kDirective,  // belongs to the document that begins next
  kBegin,
  kEnd,
  kContent,
};

bool is_marker(std::string_view line, std::string_view marker) {
  return line.starts_with(marker) &&
         (line.size() == marker.size() ||
          std::string_view(" \t\r").find(line[marker.size()]) != std::string_view::npos);
}

LineKind kind_of(std::string_view line) {
  if (is_marker(line, "---")) {
    return LineKind::kBegin;
  }
  if (is_marker(line, "...")) {
    return LineKind::kEnd;
  }
  if (line.starts_with('%')) {
    return LineKind::kDirective;
  }
  const std::size_t first = line.find_first_not_of(" \t\r");
  const bool is_nothing = first == std::string_view::npos || line[first] == '#';
  return is_nothing ? LineKind::kNothing : LineKind::kContent;
}

// The document being gathered.
class Gatherer {
 public:
  explicit Gatherer(std::string_view stream) : stream_(stream) {}

  void add(std::string_view line, std::size_t offset, int number) {
    switch (kind_of(line)) {
      case LineKind::kBegin:
        if (has_begun_ || has_content_) {
          close(offset);
        }
        begin(offset, number);
        has_begun_ = true;
        break;
      case LineKind::kEnd:
        close(offset);
        break;
      case LineKind::kDirective:
        begin(offset, number);
        // In the middle of content it is content.
        break;
      case LineKind::kContent:
        begin(offset, number);
        has_content_ = true;
        break;
      case LineKind::kNothing:
        break;
    }
  }

  std::vector<YamlDocument> finish() {
    close(stream_.size());
    return std::move(documents_);
  }

 private:
  // Notes where the document starts, unless it has.
  void begin(std::size_t offset, int number) {
    if (!has_start_) {
      has_start_ = true;
      start_ = offset;
      line_ = number;
    }
  }

  void close(std::size_t end) {
    if (has_start_) {
      documents_.push_back({stream_.substr(start_, end - start_), line_});
    }
    has_start_ = has_begun_ = has_content_ = false;
  }

  std::string_view stream_;
  std::vector<YamlDocument> documents_;
  std::size_t start_ = 0;
  int line_ = 1;
  bool has_start_ = false;
  bool has_begun_ = false;  // its "---" has been seen
  bool has_content_ = false;
};

}  // namespace

std::vector<YamlDocument> split_documents(std::string_view stream) {
  if (stream.starts_with(kByteOrderMark)) {
    stream.remove_prefix(kByteOrderMark.size());
  }
  Gatherer gatherer(stream);
  int number = 1;
  for (std::size_t offset = 0; offset < stream.size(); ++number) {
    const std::size_t newline = stream.find('\n', offset);
    const std::size_t end = newline == std::string_view::npos ? stream.size() : newline;
    gatherer.add(stream.substr(offset, end - offset), offset, number);
    offset = end + 1;
  }
  return gatherer.finish();
}

}  // namespace meshdns::discovery
