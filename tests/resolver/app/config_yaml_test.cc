#include "resolver/app/config_yaml.h"

#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace meshdns::dns {
namespace {

// One line per entry: "LINE KEY SHAPE ITEM@LINE ...".
std::vector<std::string> describe(const YamlSettings& settings) {
  std::vector<std::string> lines;
  for (const YamlEntry& entry : settings.entries) {
    constexpr auto kShapes = "ETLS";
    std::string line =
        fmt::format("{} {} {}", entry.line, entry.key, kShapes[static_cast<int>(entry.shape)]);
    for (const YamlText& item : entry.items) {
      line += fmt::format(" {}@{}", item.text, item.line);
    }
    lines.push_back(line);
  }
  for (const YamlProblem& problem : settings.problems) {
    lines.push_back(fmt::format("! {} {}: {}", problem.line, problem.key, problem.reason));
  }
  return lines;
}

struct YamlCase {
  std::string text;
  std::vector<std::string> want;
};

TEST(ConfigYaml, FlattensSectionsValuesAndLists) {
  const std::vector<YamlCase> cases{
      {"", {}},
      {"# only a comment\n", {}},
      {"---\n", {}},
      {"\xef\xbb\xbf", {}},
      {"\xef\xbb\xbfttl: 30s", {"1 ttl T 30s@1"}},
      {"ttl: 30s\r\nmesh:\tx\r\n", {"1 ttl T 30s@1", "2 mesh T x@2"}},
      {"{}", {}},
      {"ttl: 30s", {"1 ttl T 30s@1"}},
      {"\nttl: \"30s\"  # half a minute\n", {"2 ttl T 30s@2"}},
      {"a: [x, 'y']\nb:\n  - z\n", {"1 a L x@1 y@1", "2 b L z@3"}},
      {"vip:\n  p: 1\n  q:\nnext: 2\n", {"1 vip S", "2 vip.p T 1@2", "3 vip.q E", "4 next T 2@4"}},
      {"a: ~\nb: null\nc: ''\n", {"1 a E", "2 b E", "3 c T @3"}},
      {"a: {b: {c: [d]}}", {"1 a S", "1 a.b S", "1 a.b.c L d@1"}},
  };
  for (const YamlCase& row : cases) {
    EXPECT_EQ(describe(parse_config_yaml(row.text)), row.want) << row.text;
  }
}

TEST(ConfigYaml, ReportsWhatCouldBeReadInTwoWaysAndKeepsTheRest) {
  const std::vector<YamlCase> cases{
      {"a: 1\na: 2\nb: 3\n",
       {"1 a T 1@1", "3 b T 3@3", "! 2 a: is given twice (keep one of the two)"}},
      {"v:\n  a: 1\nv:\n  b: 2\n",
       {"1 v S", "2 v.a T 1@2", "! 3 v: is given twice (keep one of the two)"}},
      {"a: &x 1\nb: *x\n",
       {"1 a T 1@1", "2 b E", "! 1 a: anchors are not supported (write the value itself)",
        "! 2 b: aliases are not supported (write the value itself)"}},
      {"a: [1, [2], 3]\nb: 4\n",
       {"1 a L 1@1 3@1", "2 b T 4@2",
        "! 1 a: has an item that is itself a structure (write plain values)"}},
      {"a: [1, ]\nb: [~]\n",
       {"1 a L 1@1", "2 b L", "! 2 b: has an item without a value (remove the item)"}},
      {"? [a, b]\n: c\nd: e\n",
       {"3 d T e@3", "! 1 : has a key that is a structure (write a plain word)"}},
      {"v: {? {a: b} : c, d: e}",
       {"1 v S", "1 v.d T e@1", "! 1 v: has a key that is a structure (write a plain word)"}},
      {"~: 1\n", {"! 1 : is no key (write a word of letters, digits and '_')"}},
      {"\"a\\nb\": {c: 1}\n", {"! 1 a\\010b: is no key (write a word of letters, digits and '_')"}},
      {"- a\n- b\n", {"! 1 : the file is a list (write `key: value` lines)"}},
      {"just text", {"! 1 : the file is no mapping (write `key: value` lines)"}},
      {"a: 1\n---\nb: 2\n",
       {"1 a T 1@1", "! 1 : the file has a second document after `---` (keep one)"}},
      {"{a: {a: {a: {a: {a: {a: {a: {a: {a: 1}}}}}}}}}",
       {"1 a S", "1 a.a S", "1 a.a.a S", "1 a.a.a.a S", "1 a.a.a.a.a S", "1 a.a.a.a.a.a S",
        "1 a.a.a.a.a.a.a S", "1 a.a.a.a.a.a.a.a E", "! 1 a.a.a.a.a.a.a.a: is nested too deeply"}},
  };
  for (const YamlCase& row : cases) {
    EXPECT_EQ(describe(parse_config_yaml(row.text)), row.want) << row.text;
  }
}

TEST(ConfigYaml, NamesTheLineWhereTheSyntaxBreaks) {
  const YamlSettings settings = parse_config_yaml("a: 1\nb: [1, 2\nc: 3\n");
  ASSERT_EQ(settings.problems.size(), 1U);
  EXPECT_GE(settings.problems[0].line, 2);
  EXPECT_TRUE(settings.problems[0].reason.starts_with("is no YAML: "));
  EXPECT_TRUE(settings.entries.empty()) << "half of something";
}

TEST(ConfigYaml, NamesATabInTheIndentation) {
  for (const auto* text : {"a: 1\nv:\n\tb: 2\n", "a: 1\nv:\n  \tb: 2\n", "a: 1\nv:\n\tb: 2"}) {
    EXPECT_EQ(describe(parse_config_yaml(text)),
              std::vector<std::string>{"! 3 : is indented with a tab (write spaces)"})
        << text;
  }
}

TEST(ConfigYaml, RefusesBinaryAndOverlongFiles) {
  const std::string binary("a: 1\nb: \0x", 10);
  EXPECT_EQ(describe(parse_config_yaml(binary)),
            std::vector<std::string>{"! 2 : a zero octet (is this a text file?)"});
  const std::string longest(kMaxConfigBytes, '#');
  EXPECT_TRUE(parse_config_yaml(longest).problems.empty());
  EXPECT_EQ(parse_config_yaml(longest + "#").problems.size(), 1U);
}

TEST(ConfigYaml, StopsListingProblemsAfterAHundred) {
  std::string text;
  for (int i = 0; i < 500; ++i) {
    text += "a: 1\n";
  }
  EXPECT_EQ(parse_config_yaml(text).problems.size(), 100U);
}

}  // namespace
}  // namespace meshdns::dns
