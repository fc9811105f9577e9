#include "discovery/packed_service.h"

#include <cstddef>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "discovery/service.h"

namespace meshdns::discovery {
namespace {

Service full_service() {
  return {.id = {"default", "backend_shop_svc_8080"},
          .zone = "east",
          .hostnames = {"backend.mesh", "backend.shop.svc.8080.mesh"},
          .addresses = {*IpAddress::parse("10.0.0.1"), *IpAddress::parse("fd00::1")},
          .ports = {{"http", 80, Protocol::kHttp}, {"", 65535, Protocol::kKafka}},
          .tags = {{"kuma.io/service", "backend"}, {"", "x"}, {"team", ""}},
          .answers = Answers::kEndpoints,
          .awaits_address = true};
}

// Each differs from the others in one field.
std::vector<Service> variants() {
  std::vector<Service> all(18, full_service());
  all[1].id.mesh = "";
  all[2].id.name = "backend";
  all[3].zone = "";
  all[4].hostnames.clear();
  all[5].hostnames = {"backend.mesh"};
  all[6].hostnames = {"backend.mesh", "", "backend.shop.svc.8080.mesh"};
  all[7].addresses = {*IpAddress::parse("fd00::1"), *IpAddress::parse("10.0.0.1")};
  all[8].addresses = {*IpAddress::parse("::ffff:10.0.0.1"), *IpAddress::parse("fd00::1")};
  all[9].ports[0].number = 0;
  all[10].ports[0].protocol = Protocol::kHttp2;
  all[11].ports.clear();
  all[12].tags.clear();
  all[13].tags["team"] = "shop";
  all[14].answers = Answers::kDefault;
  all[15].awaits_address = false;
  all[16].zone = std::string(300, 'z') + std::string(1, '\0');
  all[17] = Service();
  return all;
}

TEST(PackedService, UnpacksToWhatItWas) {
  for (const Service& service : variants()) {
    const PackedService packed(service);
    EXPECT_EQ(packed.unpack(), service);
    EXPECT_EQ(packed.id(), ServiceIdView(service.id));
    EXPECT_EQ(packed.id().id(), service.id);
  }
}

TEST(PackedService, IsEqualToEqualServicesAlone) {
  const std::vector<Service> all = variants();
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t j = 0; j < all.size(); ++j) {
      EXPECT_EQ(PackedService(all[i]) == PackedService(all[j]), i == j) << i << " " << j;
    }
  }
}

TEST(PackedService, IsInTheOrderOfItsId) {
  Service service;
  service.id = {"a", "z"};
  const PackedService first(service);
  service.id = {"ab", "b"};
  EXPECT_LT(first.id(), PackedService(service).id());
  EXPECT_LT(ServiceIdView("a", "b"), first.id());
}

TEST(PackedService, IsSmall) { EXPECT_LE(PackedService(full_service()).octets().size(), 160U); }

}  // namespace
}  // namespace meshdns::discovery
