#include "discovery/dns_name.h"

#include <cstddef>
#include <string>

#include <gtest/gtest.h>

namespace meshdns::discovery {
namespace {

std::string label(std::size_t octets) { return std::string(octets, 'a'); }

TEST(DnsName, TakesLabelsOfLettersDigitsHyphensAndUnderscores) {
  for (const std::string& name :
       {std::string("a"), std::string("Web-1"), std::string("_tcp.a_b.mesh"), label(63),
        label(63) + "." + label(63) + "." + label(63) + "." + label(61)}) {
    EXPECT_TRUE(is_dns_name(name)) << name;
  }
}

TEST(DnsName, RefusesEmptyLabelsOtherLettersAndWhatIsTooLong) {
  for (const std::string& name :
       {std::string(), std::string("."), std::string("a."), std::string(".a"), std::string("a..b"),
        std::string("a b"), std::string("a\\b"), std::string("a\0b", 3), std::string("\xc3\xa9"),
        label(64), label(63) + "." + label(63) + "." + label(63) + "." + label(62)}) {
    EXPECT_FALSE(is_dns_name(name)) << name;
  }
}

TEST(DnsName, FoldsAsciiLettersAlone) { EXPECT_EQ(fold_name("WeB_1.\xc3\x89"), "web_1.\xc3\x89"); }

}  // namespace
}  // namespace meshdns::discovery
