#include <cstddef>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "discovery/feeds/mesh_feed.h"
#include "discovery/feeds/resource_encoding.h"
#include "discovery/service.h"
#include "meshdns/mesh/v1/service.pb.h"

namespace meshdns::discovery {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

mesh::v1::Service smallest() {
  mesh::v1::Service message;
  message.set_mesh("default");
  message.set_name("web");
  return message;
}

void add_port(mesh::v1::Service& message, unsigned number, const std::string& protocol) {
  auto& port = *message.add_ports();
  port.set_name("main");
  port.set_number(number);
  port.set_protocol(protocol);
}

TEST(DecodeService, ReadsWhatOurControlPlaneWrites) {
  Service service;
  service.id = {"default", "web"};
  service.zone = "east";
  service.hostnames = {"web.mesh", "WEB.shop_1.mesh"};
  service.addresses = {IpAddress::parse("192.0.2.1").value(),
                       IpAddress::parse("2001:db8::1").value()};
  service.ports = {{"main", 80, Protocol::kHttp2}, {"", 65535, Protocol::kKafka}};
  service.tags = {{"kuma.io/service", "web"}, {"version", ""}};
  const auto decoded = decode_service(encode_service(service));
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(*decoded, service);
}

TEST(DecodeService, NeedsNoMoreThanMeshAndName) {
  const auto decoded = decode_service(smallest().SerializeAsString());
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(*decoded, (Service{.id = {"default", "web"},
                               .zone = {},
                               .hostnames = {},
                               .addresses = {},
                               .ports = {},
                               .tags = {}}));
}

TEST(DecodeService, PutsPortsInOrderWhateverTheirOrderOnTheWire) {
  auto message = smallest();
  add_port(message, 443, "grpc");
  add_port(message, 80, "http");
  add_port(message, 8080, "tcp");
  const auto decoded = decode_service(message.SerializeAsString());
  ASSERT_TRUE(decoded);
  EXPECT_THAT(decoded->ports, ElementsAre(ServicePort{"main", 80, Protocol::kHttp},
                                          ServicePort{"main", 443, Protocol::kGrpc},
                                          ServicePort{"main", 8080, Protocol::kTcp}));
}

TEST(DecodeService, TakesAProtocolOfLaterVersionsForTcp) {
  auto message = smallest();
  add_port(message, 443, "quic");
  const auto decoded = decode_service(message.SerializeAsString());
  ASSERT_TRUE(decoded);
  EXPECT_THAT(decoded->ports, ElementsAre(ServicePort{"main", 443, Protocol::kTcp}));
}

TEST(DecodeService, PassesOverFieldsOfLaterVersions) {
  constexpr const char* kField100 = "\xa0\x06\x07";  // a varint
  EXPECT_TRUE(decode_service(smallest().SerializeAsString() + kField100));
}

struct BadService {
  const char* name;
  void (*spoil)(mesh::v1::Service&);
  const char* reason;  // a part of it
};

class DecodeBadService : public testing::TestWithParam<BadService> {};

TEST_P(DecodeBadService, NamesTheFieldAndTheValue) {
  auto message = smallest();
  GetParam().spoil(message);
  const auto decoded = decode_service(message.SerializeAsString());
  ASSERT_FALSE(decoded);
  EXPECT_THAT(decoded.error().message, HasSubstr(GetParam().reason));
}

using Message = mesh::v1::Service;

INSTANTIATE_TEST_SUITE_P(
    Rows, DecodeBadService,
    testing::Values(
        BadService{"NoMesh", [](Message& m) { m.clear_mesh(); }, "mesh: ''"},
        BadService{"NoName", [](Message& m) { m.clear_name(); }, "name: ''"},
        BadService{"SlashInMesh", [](Message& m) { m.set_mesh("a/b"); }, "mesh: 'a/b'"},
        BadService{"SlashInName", [](Message& m) { m.set_name("a/b"); }, "name: 'a/b'"},
        BadService{"LongName", [](Message& m) { m.set_name(std::string(254, 'a')); }, "too long"},
        BadService{"EmptyHostname", [](Message& m) { m.add_hostnames(""); }, "hostnames: ''"},
        BadService{"TrailingDot", [](Message& m) { m.add_hostnames("a.mesh."); }, "'a.mesh.'"},
        BadService{"LeadingDot", [](Message& m) { m.add_hostnames(".mesh"); }, "'.mesh'"},
        BadService{"EmptyLabel", [](Message& m) { m.add_hostnames("a..mesh"); }, "'a..mesh'"},
        BadService{"LongLabel", [](Message& m) { m.add_hostnames(std::string(64, 'a') + ".mesh"); },
                   "is no host name"},
        BadService{"LongHostname",
                   [](Message& m) {
                     std::string name;
                     for (int i = 0; i < 127; ++i) {
                       name += "a.";
                     }
                     m.add_hostnames(name + "a");
                   },
                   "is no host name"},
        BadService{"EscapedHostname", [](Message& m) { m.add_hostnames("a\\046b.mesh"); },
                   "is no host name"},
        BadService{"BlankInHostname", [](Message& m) { m.add_hostnames("a b.mesh"); },
                   "is no host name"},
        BadService{"LaterHostname",
                   [](Message& m) {
                     m.add_hostnames("web.mesh");
                     m.add_hostnames("w\xc3\xa9.mesh");
                   },
                   "is no host name"},
        BadService{"ManyHostnames",
                   [](Message& m) {
                     for (int i = 0; i < 65; ++i) {
                       m.add_hostnames("n" + std::to_string(i));
                     }
                   },
                   "hostnames: 65 are more than 64"},
        BadService{"NameForAddress", [](Message& m) { m.add_addresses("example.org"); },
                   "addresses: 'example.org'"},
        BadService{"EmptyAddress", [](Message& m) { m.add_addresses(""); }, "addresses: ''"},
        BadService{"UnspecifiedV4", [](Message& m) { m.add_addresses("0.0.0.0"); }, "'0.0.0.0'"},
        BadService{"UnspecifiedV6", [](Message& m) { m.add_addresses("::"); }, "'::'"},
        BadService{"UnspecifiedMapped", [](Message& m) { m.add_addresses("::ffff:0.0.0.0"); },
                   "'::ffff:0.0.0.0'"},
        BadService{"LaterAddress",
                   [](Message& m) {
                     m.add_addresses("192.0.2.1");
                     m.add_addresses("192.0.2.256");
                   },
                   "'192.0.2.256'"},
        BadService{"ManyAddresses",
                   [](Message& m) {
                     for (int i = 0; i < 1001; ++i) {
                       m.add_addresses("192.0.2.1");
                     }
                   },
                   "addresses: 1001 are more than 1000"},
        BadService{"PortZero", [](Message& m) { add_port(m, 0, "tcp"); }, "ports: 0"},
        BadService{"PortTooLarge", [](Message& m) { add_port(m, 65536, "tcp"); }, "ports: 65536"},
        BadService{"PortTwice",
                   [](Message& m) {
                     add_port(m, 80, "tcp");
                     add_port(m, 80, "http");
                   },
                   "ports: 80 is listed twice"},
        BadService{"ManyPorts",
                   [](Message& m) {
                     for (unsigned i = 1; i <= 1001; ++i) {
                       add_port(m, i, "tcp");
                     }
                   },
                   "ports: 1001 are more than 1000"}),
    [](const auto& row) { return row.param.name; });

TEST(DecodeService, EveryCutOfAMessageIsReadOrRefusedWithAReason) {
  auto message = smallest();
  message.add_hostnames("web.mesh");
  message.add_addresses("192.0.2.1");
  add_port(message, 80, "http");
  (*message.mutable_tags())["version"] = "v1";
  const std::string whole = message.SerializeAsString();
  ASSERT_TRUE(decode_service(whole));
  int refused = 0;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto decoded = decode_service(std::string(whole.data(), size));
    refused += decoded ? 0 : 1;
    EXPECT_TRUE(decoded || !decoded.error().message.empty()) << size;
  }
  // What remains are the cuts between two fields, from mesh and name on.
  EXPECT_EQ(refused, static_cast<int>(whole.size()) - 4);
}

TEST(DecodeService, RefusesTextThatIsNotUtf8) {
  auto message = smallest();
  std::string bytes = message.SerializeAsString();
  bytes.replace(bytes.find("web"), 3, "w\xff\xfe");
  EXPECT_FALSE(decode_service(bytes));
}

TEST(DecodeService, AReasonQuotesWithoutForgingALine) {
  auto message = smallest();
  message.add_hostnames("a\nb\x1b[0m");
  const auto decoded = decode_service(message.SerializeAsString());
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().message.find_first_of("\n\x1b"), std::string::npos);
}

}  // namespace
}  // namespace meshdns::discovery
