#include "discovery/feeds/yaml_documents.h"

#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace meshdns::discovery {
namespace {

struct SplitCase {
  std::string_view stream;
  std::vector<YamlDocument> want;
};

TEST(YamlDocuments, CutsAStreamAtItsMarkers) {
  for (const SplitCase& row : std::vector<SplitCase>{
           {"", {}},
           {"\n# only words\n  \t\n", {}},
           {"a: 1", {{"a: 1", 1}}},
           {"a: 1\n---\nb: 2\n", {{"a: 1\n", 1}, {"---\nb: 2\n", 2}}},
           {"# first\n---\na: 1\n", {{"---\na: 1\n", 2}}},
           {"---\n---\na: 1\n", {{"---\n", 1}, {"---\na: 1\n", 2}}},
           {"---\r\na: 1\r\n---\r\nb: 2\r\n", {{"---\r\na: 1\r\n", 1}, {"---\r\nb: 2\r\n", 3}}},
           {"a: 1\n...\nb: 2\n", {{"a: 1\n", 1}, {"b: 2\n", 3}}},
           {"a: 1\n...\n# end\n", {{"a: 1\n", 1}}},
           {"%YAML 1.2\n---\na: 1\n", {{"%YAML 1.2\n---\na: 1\n", 1}}},
           {"--- {a: 1}\n---- no marker\n", {{"--- {a: 1}\n---- no marker\n", 1}}},
           {"a: |\n  ---\n  x\n", {{"a: |\n  ---\n  x\n", 1}}},
           {"\xef\xbb\xbf"
            "a: 1\n",
            {{"a: 1\n", 1}}},
       }) {
    EXPECT_EQ(split_documents(row.stream), row.want) << row.stream;
  }
}

}  // namespace
}  // namespace meshdns::discovery
