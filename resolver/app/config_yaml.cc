#include "resolver/app/config_yaml.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <yaml-cpp/anchor.h>
#include <yaml-cpp/emitterstyle.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include "base/log.h"

namespace meshdns::dns {
namespace {

// The real depth is two.
constexpr std::size_t kMaxDepth = 8;
constexpr std::size_t kMaxKeyLength = 64;
// After so many problems the rest is noise.
constexpr std::size_t kMaxProblems = 100;

bool is_word(std::string_view key) {
  return !key.empty() && key.size() <= kMaxKeyLength && std::ranges::all_of(key, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

// Turns the parser's events into entries. A frame is one open mapping or sequence; whatever lies
// below a structure that has no place is passed over, so that each mistake is reported once.
class Flattener final : public YAML::EventHandler {
 public:
  explicit Flattener(YamlSettings& out) : out_(out) {}

  void OnDocumentStart(const YAML::Mark& /*mark*/) override {}
  void OnDocumentEnd() override {}
  void OnAnchor(const YAML::Mark& mark, const std::string& /*name*/) override {
    report(mark, "anchors are not supported (write the value itself)");
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override {
    report(mark, "aliases are not supported (write the value itself)");
    take_value(mark, YamlShape::kEmpty, {}, Known::kReported);
  }
  void OnNull(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override {
    take_value(mark, YamlShape::kEmpty, {}, Known::kNew);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                const std::string& value) override {
    take_value(mark, YamlShape::kText, value, Known::kNew);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& /*tag*/,
                       YAML::anchor_t /*anchor*/, YAML::EmitterStyle::value /*style*/) override {
    open(mark, FrameKind::kList);
  }
  void OnSequenceEnd() override { frames_.pop_back(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                  YAML::EmitterStyle::value /*style*/) override {
    open(mark, FrameKind::kMapping);
  }
  void OnMapEnd() override { frames_.pop_back(); }

 private:
  enum class FrameKind : std::uint8_t { kMapping, kList, kSkipped };
  enum class Known : std::uint8_t { kNew, kReported };
  struct Frame {
    FrameKind kind = FrameKind::kSkipped;
    std::string prefix;          // kMapping: what goes before its keys, "" or "vip."
    std::set<std::string> keys;  // kMapping: those seen
    bool key_is_next = true;     // kMapping: the next event is a key
    bool key_is_good = false;    // kMapping: the entry of the last key exists
  };

  static int line_of(const YAML::Mark& mark) { return mark.line + 1; }

  void report(const YAML::Mark& mark, std::string reason) {
    report(line_of(mark), current_key(), std::move(reason));
  }
  void report(int line, std::string key, std::string reason) {
    if (out_.problems.size() < kMaxProblems) {
      out_.problems.push_back({line, std::move(key), std::move(reason)});
    }
  }

  // The key whose value is being read, "" at the top.
  [[nodiscard]] std::string current_key() const {
    return out_.entries.empty() || frames_.empty() ? std::string() : out_.entries.back().key;
  }

  void take_key(const YAML::Mark& mark, const std::string& key) {
    Frame& frame = frames_.back();
    frame.key_is_next = false;
    frame.key_is_good = false;
    const std::string path = frame.prefix + escape_name(key.substr(0, kMaxKeyLength));
    if (!is_word(key)) {
      report(line_of(mark), path, "is no key (write a word of letters, digits and '_')");
      return;
    }
    if (!frame.keys.insert(key).second) {
      report(line_of(mark), path, "is given twice (keep one of the two)");
      return;
    }
    frame.key_is_good = true;
    out_.entries.push_back({path, line_of(mark), YamlShape::kEmpty, {}});
  }

  void take_value(const YAML::Mark& mark, YamlShape shape, const std::string& text, Known known) {
    if (frames_.empty()) {
      if (shape != YamlShape::kEmpty) {
        report(mark, "the file is no mapping (write `key: value` lines)");
      }
      return;
    }
    Frame& frame = frames_.back();
    if (frame.kind == FrameKind::kList) {
      take_item(mark, shape, text, known);
    } else if (frame.kind == FrameKind::kMapping && frame.key_is_next) {
      take_key(mark, shape == YamlShape::kText ? text : std::string());
    } else if (frame.kind == FrameKind::kMapping) {
      frame.key_is_next = true;
      if (frame.key_is_good) {
        YamlEntry& entry = out_.entries.back();
        entry.shape = shape;
        if (shape == YamlShape::kText) {
          entry.items.push_back({text, line_of(mark)});
        }
      }
    }
  }

  void take_item(const YAML::Mark& mark, YamlShape shape, const std::string& text, Known known) {
    if (shape == YamlShape::kText) {
      out_.entries.back().items.push_back({text, line_of(mark)});
    } else if (known == Known::kNew) {
      report(mark, "has an item without a value (remove the item)");
    }
  }

  // A mapping or a sequence begins: as the document, as a value, or where it has no place.
  void open(const YAML::Mark& mark, FrameKind kind) {
    if (frames_.empty()) {
      if (kind == FrameKind::kList) {
        report(mark, "the file is a list (write `key: value` lines)");
        kind = FrameKind::kSkipped;
      }
      push(kind, "");
      return;
    }
    Frame& parent = frames_.back();
    if (parent.kind == FrameKind::kList) {
      report(mark, "has an item that is itself a structure (write plain values)");
    } else if (parent.kind == FrameKind::kMapping && parent.key_is_next) {
      report(line_of(mark),
             parent.prefix.empty() ? "" : parent.prefix.substr(0, parent.prefix.size() - 1),
             "has a key that is a structure (write a plain word)");
      parent.key_is_next = false;
      parent.key_is_good = false;
    } else if (parent.kind == FrameKind::kMapping) {
      parent.key_is_next = true;
      if (parent.key_is_good && frames_.size() >= kMaxDepth) {
        report(mark, "is nested too deeply");
      } else if (parent.key_is_good) {
        YamlEntry& entry = out_.entries.back();
        entry.shape = kind == FrameKind::kList ? YamlShape::kList : YamlShape::kSection;
        push(kind, entry.key + ".");
        return;
      }
    }
    push(FrameKind::kSkipped, "");
  }

  void push(FrameKind kind, std::string prefix) {
    frames_.push_back({kind, std::move(prefix), {}, true, false});
  }

  YamlSettings& out_;
  std::vector<Frame> frames_;
};

// `line` counts from 1.
bool is_indented_with_tab(std::string_view text, int line) {
  for (int i = 1; i < line; ++i) {
    text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
    if (text.empty()) {
      return false;
    }
  }
  return text.substr(0, text.find_first_not_of(" \t")).find('\t') != std::string_view::npos;
}

// What was read before the place where the syntax breaks may be half of something: it would only
// give further problems that are none.
YamlSettings no_yaml(int line, std::string reason) {
  return {.entries = {}, .problems = {{line, "", std::move(reason)}}};
}

}  // namespace

YamlSettings parse_config_yaml(std::string_view text) {
  YamlSettings settings;
  if (text.size() > kMaxConfigBytes) {
    settings.problems.push_back(
        {1, "", fmt::format("the file is longer than {} octets", kMaxConfigBytes)});
    return settings;
  }
  if (const auto zero = text.find('\0'); zero != std::string_view::npos) {
    const auto line = 1 + std::ranges::count(text.substr(0, zero), '\n');
    settings.problems.push_back(
        {static_cast<int>(line), "", "a zero octet (is this a text file?)"});
    return settings;
  }
  Flattener flattener(settings);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    if (parser.HandleNextDocument(flattener)) {
      YamlSettings rest;
      Flattener ignored(rest);
      if (parser.HandleNextDocument(ignored)) {
        settings.problems.push_back(
            {1, "", "the file has a second document after `---` (keep one)"});
      }
    }
  } catch (const YAML::Exception& error) {
    const int line = error.mark.is_null() ? 1 : error.mark.line + 1;
    return no_yaml(line, is_indented_with_tab(text, line)
                             ? "is indented with a tab (write spaces)"
                             : "is no YAML: " + escape_text(error.msg));
  } catch (const std::exception& error) {
    return no_yaml(1, "is no YAML: " + escape_text(error.what()));
  }
  return settings;
}

}  // namespace meshdns::dns
