#include "resolver/app/upstream_text.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace meshdns::dns {
namespace {

const std::string kPin = "sha256/AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const std::string kOtherPin = "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

struct Case {
  std::string text;
  std::string want;
};

TEST(UpstreamText, IsReadAndWrittenAgain) {
  const std::vector<Case> cases{
      {"192.0.2.1", "192.0.2.1:53"},
      {"192.0.2.1:5353", "192.0.2.1:5353"},
      {"udp://192.0.2.1", "192.0.2.1:53"},
      {"2001:db8::1", "[2001:db8::1]:53"},
      {"[2001:db8::1]:54", "[2001:db8::1]:54"},
      {"tcp://192.0.2.1", "tcp://192.0.2.1:53"},
      {"tcp://2001:db8::1", "tcp://[2001:db8::1]:53"},
      {"tls://192.0.2.1#DNS.example.org.", "tls://192.0.2.1:853#dns.example.org"},
      {"tls://2001:db8::1#dns.example.org", "tls://[2001:db8::1]:853#dns.example.org"},
      {"tls://[2001:db8::1]:854;pin=" + kPin, "tls://[2001:db8::1]:854;pin=" + kPin},
      {"tls://192.0.2.1#a.example;ca=/x.pem;pin=" + kPin + ";pin=" + kOtherPin,
       "tls://192.0.2.1:853#a.example;pin=" + kPin + ";pin=" + kOtherPin + ";ca=/x.pem"},
      {"tls://192.0.2.1;pin=" + kPin + ";pin=" + kPin, "tls://192.0.2.1:853;pin=" + kPin},
  };
  for (const Case& row : cases) {
    const auto server = parse_upstream_server(row.text);
    ASSERT_TRUE(server) << row.text << ": " << server.error().message;
    EXPECT_EQ(print_upstream_server(*server), row.want);
    const auto again = parse_upstream_server(row.want);
    ASSERT_TRUE(again) << row.want;
    EXPECT_EQ(*again, *server);
  }
}

// What would weaken or lose what an operator meant is refused, and the message says what is.
TEST(UpstreamText, IsRefusedWhereItMeansNothing) {
  const std::vector<Case> cases{
      {"", "write such as"},
      {"dns.example.org", "write such as"},
      {"tls://dns.example.org", "write such as"},
      {"https://192.0.2.1", "write such as"},
      {"tls:192.0.2.1", "write such as"},
      {"192.0.2.1#dns.example.org", "without TLS"},
      {"tcp://192.0.2.1;pin=" + kPin, "without TLS"},
      {"192.0.2.1;", "without TLS"},
      {"tls://192.0.2.1", "known by its name or its key"},
      {"tls://192.0.2.1#", "known by its name or its key"},
      {"tls://192.0.2.1#192.0.2.1", "no name of a server"},
      {"tls://192.0.2.1#a..b", "no name of a server"},
      {"tls://192.0.2.1#a b", "no name of a server"},
      {"tls://192.0.2.1#a;pin=", "is no pin"},
      {"tls://192.0.2.1#a;pin=sha256/AAAA", "is no pin"},
      {"tls://192.0.2.1#a;pin=sha1/" + kPin.substr(7), "is no pin"},
      {"tls://192.0.2.1#a;ca=x.pem", "no absolute path"},
      {"tls://192.0.2.1#a;ca=/x;ca=/y", "ca=PATH once"},
      {"tls://192.0.2.1#a;insecure", "says nothing of a server"},
      {"tls://192.0.2.1;ca=/x.pem;pin=" + kPin, "without a name"},
  };
  for (const Case& row : cases) {
    const auto server = parse_upstream_server(row.text);
    ASSERT_FALSE(server) << row.text;
    EXPECT_THAT(server.error().message, testing::HasSubstr(row.want)) << row.text;
  }
}

}  // namespace
}  // namespace meshdns::dns
