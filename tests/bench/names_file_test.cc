#include "bench/names_file.h"

#include <cstdint>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"

namespace meshdns::bench {
namespace {

using Rule = ExpectedAddress::Rule;

class NamesFileTest : public testing::Test {
 protected:
  [[nodiscard]] std::string write(const std::string& text) const {
    return folder_.write("names", text);
  }

 private:
  support::TemporaryDirectory folder_;
};

TEST_F(NamesFileTest, TellsPresentNamesFromAbsentOnes) {
  const auto names = read_names_file(write("a.mesh 10.0.0.1 *\nb.mesh 10.0.0.2 -\nc.mesh - -\n"));

  ASSERT_TRUE(names) << names.error().message;
  ASSERT_EQ(names->present.size(), 2U);
  EXPECT_EQ(names->present[0].ipv4.rule, Rule::kExactly);
  EXPECT_EQ(names->present[0].ipv4.address.to_string(), "10.0.0.1");
  EXPECT_EQ(names->present[0].ipv6.rule, Rule::kAny);
  EXPECT_EQ(names->present[1].ipv6.rule, Rule::kNone);
  ASSERT_EQ(names->absent.size(), 1U);
  EXPECT_EQ(names->absent[0].wire, (std::vector<std::uint8_t>{1, 'c', 4, 'm', 'e', 's', 'h', 0}));
}

TEST_F(NamesFileTest, NamesTheLineThatIsWrong) {
  for (const std::string wrong :
       {"b.mesh 10.0.0.1", "b..mesh * *", "b.mesh fd00::1 *", "b.mesh * 10.0.0.1", "b.mesh x *"}) {
    const auto names = read_names_file(write("a.mesh * *\n" + wrong + "\n"));
    ASSERT_FALSE(names) << wrong;
    EXPECT_THAT(names.error().message, testing::HasSubstr("/names:2: ")) << wrong;
  }
}

TEST_F(NamesFileTest, RefusesAFileWithoutAPresentName) {
  EXPECT_FALSE(read_names_file(write("")));
  EXPECT_FALSE(read_names_file(write("a.mesh - -\n")));
  EXPECT_FALSE(read_names_file("/nonexistent"));
}

TEST(NameToWire, KeepsTheLimitsOfRfc1035) {
  const std::string label(63, 'a');
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'b');
  EXPECT_TRUE(name_to_wire(longest));
  EXPECT_FALSE(name_to_wire(longest + "b"));
  EXPECT_FALSE(name_to_wire(label + "a.mesh"));
  EXPECT_EQ(name_to_wire("a."), name_to_wire("a"));
}

}  // namespace
}  // namespace meshdns::bench
