#include "resolver/forward/resolv_conf.h"

#include <chrono>
#include <cstddef>
#include <string>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/file_system.h"
#include "base/result.h"
#include "tests/support/temporary_directory.h"

namespace meshdns::dns {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<std::string> servers_of(const ResolvConf& conf) {
  std::vector<std::string> servers;
  for (const auto& server : conf.servers) {
    servers.push_back(server.to_string());
  }
  return servers;
}

struct ServerLine {
  std::string text;
  std::vector<std::string> servers;
  std::size_t warnings;
};

class ResolvConfServers : public ::testing::TestWithParam<ServerLine> {};

TEST_P(ResolvConfServers, AreReadAsWritten) {
  const ResolvConf conf = parse_resolv_conf(GetParam().text);
  EXPECT_EQ(servers_of(conf), GetParam().servers);
  EXPECT_THAT(conf.warnings, SizeIs(GetParam().warnings));
}

INSTANTIATE_TEST_SUITE_P(
    Lines, ResolvConfServers,
    ::testing::Values(
        ServerLine{"", {}, 0}, ServerLine{"\n\n \n", {}, 0},
        ServerLine{"nameserver 192.0.2.1\n", {"192.0.2.1:53"}, 0},
        ServerLine{"nameserver 192.0.2.1", {"192.0.2.1:53"}, 0},
        ServerLine{"nameserver\t192.0.2.1 \r\n", {"192.0.2.1:53"}, 0},
        ServerLine{"nameserver 192.0.2.1 # the first\n", {"192.0.2.1:53"}, 0},
        ServerLine{"\xef\xbb\xbfnameserver 192.0.2.1\n", {"192.0.2.1:53"}, 0},
        ServerLine{"nameserver 2001:db8::1\n", {"[2001:db8::1]:53"}, 0},
        ServerLine{"nameserver fe80::1%lo\n", {"[fe80::1%1]:53"}, 0},
        ServerLine{"nameserver [fe80::1%lo]:5353\n", {"[fe80::1%1]:5353"}, 0},
        ServerLine{"nameserver fe80::1%nosuchif0\n", {}, 1},
        ServerLine{"nameserver 192.0.2.1%1\n", {}, 1},
        ServerLine{"nameserver [2001:db8::1]:5353\n", {"[2001:db8::1]:5353"}, 0},
        ServerLine{"nameserver 192.0.2.1:0\n", {}, 1},
        ServerLine{"nameserver ::ffff:192.0.2.1\n", {"192.0.2.1:53"}, 0},
        // Whole addresses alone: no inet_aton() forms, no names.
        ServerLine{"nameserver 1.2.3\n", {}, 1}, ServerLine{"nameserver 127.1\n", {}, 1},
        ServerLine{"nameserver 0x7f000001\n", {}, 1}, ServerLine{"nameserver one.one\n", {}, 1},
        ServerLine{"nameserver\n", {}, 1},
        // The host itself, said plainly.
        ServerLine{"nameserver 0.0.0.0\nnameserver ::\n", {"127.0.0.1:53", "[::1]:53"}, 0},
        ServerLine{"nameserver 224.0.0.1\nnameserver ff02::1\nnameserver 255.255.255.255", {}, 3},
        ServerLine{"nameserver 192.0.2.1\nnameserver 192.0.2.1\n", {"192.0.2.1:53"}, 1},
        ServerLine{"# nameserver 192.0.2.1\n;nameserver 192.0.2.2\n", {}, 0},
        ServerLine{" # nameserver 192.0.2.1\n", {}, 0},
        ServerLine{"search example.org\ndomain example.org\nsortlist 192.0.2.0\n", {}, 0},
        ServerLine{"options use-vc no-aaaa single-request inet6 no-tld-query no-reload\n", {}, 0},
        ServerLine{"options\noptions \noptions : :: timeout:1:2\n", {}, 1},
        // Lines end with \n; a \r is a blank, wherever it stands.
        ServerLine{"\r\n\rnameserver\r192.0.2.1\r\r\n", {"192.0.2.1:53"}, 0},
        ServerLine{"nameserver 192.0.2.1\rnameserver 192.0.2.2\r", {"192.0.2.1:53"}, 0},
        ServerLine{"nameserver fe80::1%\nnameserver fe80::1%lo%lo\nnameserver %lo\n", {}, 3},
        ServerLine{"nameserver fe80::1%1\nnameserver fe80::1%lo\n", {"[fe80::1%1]:53"}, 1},
        ServerLine{"nameserver 192.0.2.256\nnameserver 192.0.2.01\nnameserver 1:2:3\n", {}, 3},
        ServerLine{"NAMESERVER 192.0.2.1\n", {}, 1}, ServerLine{"nonsense 192.0.2.1\n", {}, 1},
        ServerLine{"nameserverx 192.0.2.1\n", {}, 1},
        ServerLine{std::string("nameserver 192.0.2.1\0x\n", 23), {}, 1},
        ServerLine{
            std::string("\0nameserver 192.0.2.1\nnameserver 192.0.2.2\n", 43), {"192.0.2.2:53"}, 1},
        ServerLine{std::string(kMaxResolvConfLineBytes + 1, 'x') + "\nnameserver 192.0.2.1\n",
                   {"192.0.2.1:53"},
                   1}));

TEST(ResolvConf, KeepsTheOrderAndTakesMoreThanThree) {
  std::string text;
  for (int i = 1; i <= 4; ++i) {
    text += "nameserver 192.0.2." + std::to_string(5 - i) + "\n";
  }
  EXPECT_THAT(servers_of(parse_resolv_conf(text)),
              ElementsAre("192.0.2.4:53", "192.0.2.3:53", "192.0.2.2:53", "192.0.2.1:53"));
}

TEST(ResolvConf, SaysWhichServersAreTooMany) {
  std::string text;
  for (std::size_t i = 1; i <= kMaxResolvConfServers + 2; ++i) {
    text += "nameserver 192.0.2." + std::to_string(i) + "\n";
  }
  const ResolvConf conf = parse_resolv_conf(text);
  EXPECT_THAT(conf.servers, SizeIs(kMaxResolvConfServers));
  EXPECT_THAT(conf.warnings,
              ElementsAre(HasSubstr("line 9: '192.0.2.9'"), HasSubstr("line 10: '192.0.2.10'")));
}

TEST(ResolvConf, ReadsTheOptionsThatSaySomethingOfTheServers) {
  const ResolvConf none = parse_resolv_conf("nameserver 192.0.2.1\n");
  EXPECT_FALSE(none.timeout.has_value());
  EXPECT_FALSE(none.rotate || none.use_vc || none.no_aaaa || none.trust_ad);

  const ResolvConf conf = parse_resolv_conf(
      "options timeout:3 attempts:4 rotate\noptions ndots:5 edns0 trust-ad use-vc no-aaaa\n");
  EXPECT_EQ(conf.timeout, std::chrono::seconds(3));
  EXPECT_TRUE(conf.rotate && conf.use_vc && conf.no_aaaa && conf.trust_ad);
  EXPECT_THAT(conf.warnings, IsEmpty());
  EXPECT_THAT(conf.notes, IsEmpty());

  const ResolvConf cut = parse_resolv_conf("options timeout:99999999999999999999 # rotate");
  EXPECT_EQ(cut.timeout, std::chrono::seconds(30));
  EXPECT_FALSE(cut.rotate);
}

// As the BSDs spell it.
TEST(ResolvConf, KnowsUseVcByItsOtherNames) {
  EXPECT_TRUE(parse_resolv_conf("options usevc").use_vc);
  EXPECT_TRUE(parse_resolv_conf("options tcp").use_vc);
}

TEST(ResolvConf, IgnoresATimeoutWithoutAUsableNumber) {
  for (const std::string text : {"timeout:", "timeout", "timeout:0", "timeout:-1", "timeout:x",
                                 "timeout:1:2", "timeout:1s"}) {
    const ResolvConf conf = parse_resolv_conf("options " + text);
    EXPECT_FALSE(conf.timeout.has_value()) << text;
    EXPECT_THAT(conf.warnings, ElementsAre(HasSubstr("option timeout has no usable number")));
  }
}

TEST(ResolvConf, PassesOverOptionsOfStubsAndNotesWhatNobodyKnows) {
  const ResolvConf conf = parse_resolv_conf(
      "options ndots:x attempts:0 single-request single-request-reopen no-tld-query no-reload "
      "debug\n"
      "options inet6 no-check-names Rotate unheard-of:1 a\x1b[2J\n");
  EXPECT_FALSE(conf.rotate);
  EXPECT_THAT(conf.warnings, IsEmpty());
  EXPECT_THAT(conf.notes, ElementsAre("line 2: unknown option 'Rotate', ignored",
                                      "line 2: unknown option 'unheard-of:1', ignored",
                                      "line 2: unknown option 'a\\027[2J', ignored"));
  std::string many = "options";
  for (int i = 0; i < 100; ++i) {
    many += " x";
  }
  EXPECT_THAT(parse_resolv_conf(many).notes, SizeIs(kMaxResolvConfWarnings));
}

TEST(ResolvConf, BoundsItsWarnings) {
  std::string text;
  for (int i = 0; i < 1000; ++i) {
    text += "junk\n";
  }
  const ResolvConf conf = parse_resolv_conf(text);
  EXPECT_THAT(conf.warnings, SizeIs(kMaxResolvConfWarnings + 1));
  EXPECT_EQ(conf.warnings.back(), "and 984 more");
}

TEST(ResolvConf, EscapesWhatItQuotes) {
  EXPECT_THAT(parse_resolv_conf("nameserver a\x1b[2J\n").warnings,
              ElementsAre(HasSubstr("'a\\027[2J'")));
}

TEST(ResolvConf, DoesNotReadMoreThanAMebibyte) {
  const std::string server = "nameserver 192.0.2.1\n";
  std::string text = server + std::string(kMaxResolvConfBytes - server.size(), '\n');
  EXPECT_THAT(parse_resolv_conf(text).servers, SizeIs(1));
  text += '\n';
  EXPECT_THAT(parse_resolv_conf(text).servers, IsEmpty());
  EXPECT_THAT(parse_resolv_conf(text).warnings, ElementsAre(HasSubstr("longer than 1 MiB")));
}

TEST(ResolvConf, LoadWaitsForNothingAndTakesRegularFilesAlone) {
  const support::TemporaryDirectory directory;
  PosixFileSystem files;
  const std::string fifo = directory.file("fifo");
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_THAT(load_resolv_conf(files, fifo).error().message, HasSubstr("not a regular file"));
  EXPECT_THAT(load_resolv_conf(files, "/dev/zero").error().message,
              HasSubstr("not a regular file"));
  const auto large =
      load_resolv_conf(files, directory.write("large", std::string(kMaxResolvConfBytes + 1, 'x')));
  EXPECT_THAT(large.error().message, HasSubstr("longer than the limit"));
}

TEST(ResolvConf, LoadFollowsSymlinks) {
  const support::TemporaryDirectory directory;
  PosixFileSystem files;
  const std::string link = directory.file("resolv.conf");
  ASSERT_EQ(::symlink("stub-resolv.conf", link.c_str()), 0);
  EXPECT_EQ(load_resolv_conf(files, link).error().code, ErrorCode::kNotFound);
  directory.write("stub-resolv.conf", "nameserver 127.0.0.53\noptions edns0 trust-ad\n");
  const auto conf = load_resolv_conf(files, link);
  ASSERT_TRUE(conf);
  EXPECT_THAT(servers_of(*conf), ElementsAre("127.0.0.53:53"));
}

TEST(ResolvConf, LoadFailsWithoutAUsableServerAndSaysWhy) {
  const support::TemporaryDirectory directory;
  PosixFileSystem files;
  const auto missing = load_resolv_conf(files, directory.file("resolv.conf"));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  const auto folder = load_resolv_conf(files, directory.path());
  EXPECT_FALSE(folder);
  const auto empty = load_resolv_conf(files, directory.write("resolv.conf", ""));
  ASSERT_FALSE(empty);
  EXPECT_THAT(empty.error().message, HasSubstr("names no server"));
  const auto bad = load_resolv_conf(files, directory.write("resolv.conf", "nameserver dns\n"));
  ASSERT_FALSE(bad);
  EXPECT_THAT(bad.error().message, HasSubstr("'dns' is no address"));
  const auto good = load_resolv_conf(files, directory.write("resolv.conf", "nameserver ::1\n"));
  ASSERT_TRUE(good);
  EXPECT_THAT(servers_of(*good), ElementsAre("[::1]:53"));
}

}  // namespace
}  // namespace meshdns::dns
