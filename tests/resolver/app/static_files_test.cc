#include "resolver/app/static_files.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file_system.h"
#include "base/ip_address.h"
#include "resolver/snapshot/static_records.h"
#include "resolver/snapshot/zone_set.h"
#include "resolver/wire/name.h"
#include "tests/support/temporary_directory.h"

namespace meshdns::dns {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Name name(const char* text) { return Name::from_text(text).value(); }

TEST(ParseZoneFile, ReadsRecordsWithOriginTtlAndLine) {
  const auto records = parse_zone_file("z",
                                       "$ORIGIN corp.example.\n"
                                       "$TTL 300\n"
                                       "; a comment\n"
                                       "@ IN SOA ns admin 1 2 3 4 5\n"
                                       "www 60 IN A 192.0.2.1\n"
                                       "    IN TXT \"two\" \"words\"\n"
                                       "mail MX 10 mx.example.org.",
                                       30);
  ASSERT_TRUE(records.has_value()) << records.error().message;
  ASSERT_EQ(records->size(), 4U);
  EXPECT_EQ((*records)[0].type, 6);
  EXPECT_EQ((*records)[0].ttl, 300U);
  EXPECT_EQ((*records)[1].owner, name("www.corp.example"));
  EXPECT_EQ((*records)[1].ttl, 60U);
  EXPECT_THAT((*records)[1].rdata, ElementsAre(192, 0, 2, 1));
  EXPECT_EQ((*records)[1].origin, "z:5");
  EXPECT_EQ((*records)[2].owner, name("www.corp.example"));
  EXPECT_THAT((*records)[2].rdata, ElementsAre(3, 't', 'w', 'o', 5, 'w', 'o', 'r', 'd', 's'));
  EXPECT_THAT((*records)[3].rdata, ElementsAre(0, 10, 2, 'm', 'x', 7, 'e', 'x', 'a', 'm', 'p', 'l',
                                               'e', 3, 'o', 'r', 'g', 0));
}

struct BadText {
  std::string_view text;
  const char* message;
};

TEST(ParseZoneFile, NamesFileLineAndReason) {
  const std::vector<BadText> rows{
      {"$ORIGIN x.\na A 1.2.3\n", "z:2"},
      {"$ORIGIN x.\n\n\na NOTYPE 1\n", "z:4"},
      {"$INCLUDE /etc/passwd\n", "$INCLUDE is not followed"},
      {"a.x. CH TXT \"t\"\n", "only class IN"},
      {"a.x. 2147483647 A 192.0.2.1\nb.x. 2147483648 A 192.0.2.1\n", "z:2: the TTL is above"},
      {"$TTL 4294967295\na.x. A 192.0.2.1\n", "z:2: the TTL is above"},
      {{"a.x. A 192.0.2.1\n\0", 18}, "z:2: holds a zero octet"},
  };
  for (const BadText& row : rows) {
    const auto records = parse_zone_file("z", row.text, 30);
    ASSERT_FALSE(records.has_value()) << row.text;
    EXPECT_THAT(records.error().message, HasSubstr(row.message));
  }
}

TEST(ParseZoneFile, TakesAnEmptyFile) {
  EXPECT_TRUE(parse_zone_file("z", "", 30).value().empty());
  EXPECT_TRUE(parse_zone_file("z", "\n; nothing\n", 30).value().empty());
}

TEST(ParseHostsFile, GivesEveryNameTheAddress) {
  const auto records = parse_hosts_file("h",
                                        "# hosts\n"
                                        "192.0.2.1 one.mesh  one # both\r\n"
                                        "\n"
                                        "2001:db8::1\tsix.mesh",
                                        30);
  ASSERT_TRUE(records.has_value()) << records.error().message;
  ASSERT_EQ(records->size(), 3U);
  EXPECT_EQ((*records)[1].owner, name("one"));
  EXPECT_EQ((*records)[1].origin, "h:2");
  EXPECT_EQ((*records)[2].type, 28);
  EXPECT_EQ((*records)[2].rdata.size(), 16U);
}

TEST(ParseHostsFile, NamesFileLineAndReason) {
  const std::vector<BadText> rows{
      {"\nlocalhost 127.0.0.1\n", "h:2: \"localhost\" is no IP address"},
      {"192.0.2.1\n", "h:1: the address has no name"},
      {"192.0.2.1 a..b\n", "h:1: \"a..b\" is no host name"},
      {"192.0.2.1 .\n", "h:1: \".\" is no host name"},
  };
  for (const BadText& row : rows) {
    const auto records = parse_hosts_file("h", row.text, 30);
    ASSERT_FALSE(records.has_value()) << row.text;
    EXPECT_THAT(records.error().message, HasSubstr(row.message));
  }
}

class LoadStaticFiles : public testing::Test {
 protected:
  Result<std::shared_ptr<const StaticRecords>> load(const std::string& zone,
                                                    const std::string& hosts = "") {
    const std::vector<std::string> zones{folder_.write("zone", zone)};
    const std::vector<std::string> host_files{folder_.write("hosts", hosts)};
    return load_static_files(files_, zones, host_files, owned_, 30);
  }

  PosixFileSystem files_;
  support::TemporaryDirectory folder_;
  ZoneSet owned_{
      std::vector<OwnedZone>{{name("mesh"), false, std::nullopt},
                             {name("244.in-addr.arpa"), false, *IpPrefix::parse("244.0.0.0/8")}}};
};

TEST_F(LoadStaticFiles, JoinsAllFiles) {
  const auto records =
      load("$ORIGIN mesh.\ntext TXT \"t\"\n", "192.0.2.1 printer.mesh outside.example\n");
  ASSERT_TRUE(records.has_value()) << records.error().message;
  EXPECT_EQ((*records)->record_count(), 3U);
  EXPECT_NE((*records)->find(name("outside.example")), nullptr);
}

TEST_F(LoadStaticFiles, RefusesWhatWouldNotBeServedAsItIsWritten) {
  const std::vector<BadText> rows{
      {"www A 192.0.2.1\n", "in no zone that is held here"},
      {"$ORIGIN z.\n@ SOA ns a 1 2 3 4 5\n", "has SOA but no NS record"},
      {"$ORIGIN z.\n@ NS ns\n@ SOA ns a 1 2 3 4 5\n@ SOA ns a 2 2 3 4 5\n", "two different SOA"},
      {"$ORIGIN mesh.\nsub NS ns.example.\n", "is delegated"},
      {"$ORIGIN mesh.\nd DNAME other.mesh.\n", "DNAME"},
      {"$ORIGIN mesh.\na CNAME b\na TXT \"t\"\n", "CNAME beside other records"},
      {"$ORIGIN mesh.\na CNAME b\na CNAME c\n", "CNAME beside other records"},
      {"$ORIGIN mesh.\na CNAME 1.0.0.244.in-addr.arpa.\n", "reverse zone of a pool"},
  };
  for (const BadText& row : rows) {
    const auto records = load(std::string(row.text));
    ASSERT_FALSE(records.has_value()) << row.text;
    EXPECT_THAT(records.error().message, HasSubstr(row.message));
    EXPECT_THAT(records.error().message, HasSubstr("zone:")) << "names no line";
  }
}

TEST_F(LoadStaticFiles, RefusesAnRrsetThatFitsNoMessage) {
  std::string zone = "$ORIGIN mesh.\n";
  for (int i = 0; i < 300; ++i) {
    zone += "big TXT \"" + std::to_string(i) + std::string(200, 'x') + "\"\n";
  }
  const auto records = load(zone);
  ASSERT_FALSE(records.has_value());
  EXPECT_THAT(records.error().message, HasSubstr("more records of one type than fit"));
}

TEST_F(LoadStaticFiles, NamesAFileThatCannotBeRead) {
  const std::vector<std::string> missing{folder_.file("missing")};
  const auto records = load_static_files(files_, missing, {}, owned_, 30);
  ASSERT_FALSE(records.has_value());
  EXPECT_THAT(records.error().message, HasSubstr("missing"));
}

}  // namespace
}  // namespace meshdns::dns
