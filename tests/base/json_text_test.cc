#include "base/json_text.h"

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace meshdns {
namespace {

TEST(JsonString, MakesValidJsonOfAnyOctets) {
  struct Case {
    std::string_view text;
    std::string want;
  };
  const std::vector<Case> cases{
      {"", R"("")"},
      {"web.mesh", R"("web.mesh")"},
      {R"(a "b" \c)", R"("a \"b\" \\c")"},
      {"/", R"("/")"},
      {std::string_view("a\nb\tc\0d\x1f\x7f", 9), R"("a\u000ab\u0009c\u0000d\u001f\u007f")"},
      // UTF-8 of two, three and four octets.
      {"\xc3\xbc \xe2\x82\xac \xf0\x9f\x98\x80", "\"\xc3\xbc \xe2\x82\xac \xf0\x9f\x98\x80\""},
      // A control character that UTF-8 writes with two octets, and its neighbour that is none.
      {"\xc2\x9b \xc2\xa0", "\"\\u009b \xc2\xa0\""},
      // Octets that are no UTF-8: alone, cut short, overlong, a surrogate.
      {"\xff", R"("\ufffd")"},
      {"\xef\xbf\xbd", R"("\ufffd")"},
      {"a\xc3", R"("a\ufffd")"},
      {"\xc0\xaf", R"("\ufffd\ufffd")"},
      {"\xed\xa0\x80!", R"("\ufffd\ufffd\ufffd!")"},
  };
  for (const Case& row : cases) {
    EXPECT_EQ(json_string(row.text), row.want);
  }
}

}  // namespace
}  // namespace meshdns
