// The names of instances among those of services and records.
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "base/sip_hash.h"
#include "discovery/service.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/snapshot/snapshot_builder.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

const discovery::ServiceId kWeb{"default", "web"};

std::vector<IpAddress> at(const std::vector<std::string>& texts) {
  std::vector<IpAddress> addresses;
  for (const std::string& text : texts) {
    addresses.push_back(*IpAddress::parse(text));
  }
  return addresses;
}

discovery::Service service(const std::string& name, const std::vector<std::string>& hostnames) {
  discovery::Service made;
  made.id = {"default", name};
  made.hostnames = hostnames;
  return made;
}

Instance instance(const std::string& name, const std::vector<std::string>& addresses) {
  return {
      .service = kWeb, .name = name, .hostnames = {name + ".web.mesh"}, .addresses = at(addresses)};
}

class SnapshotInstances : public testing::Test {
 protected:
  SnapshotInstances() {
    builder_->upsert_service(service("web", {"web.mesh"}), {.addresses = at({"244.0.0.1"})});
  }
  // "absent", "ent", or its first IPv4 address and its TTL.
  [[nodiscard]] std::string seen(std::string_view text) {
    const auto snapshot = builder_->build();
    Name name = *Name::from_text(text);
    name.fold();
    const Snapshot::Host host = snapshot->find(name, snapshot->hash(name));
    if (host.state == Snapshot::NameState::kAbsent) {
      return "absent";
    }
    if (host.state == Snapshot::NameState::kEmptyNonTerminal) {
      return "ent";
    }
    return host.ipv4.empty()
               ? "no address"
               : IpAddress(host.ipv4.first(4)).to_string() + " " + std::to_string(host.ttl);
  }
  [[nodiscard]] std::string pointer(std::string_view address) {
    const auto snapshot = builder_->build();
    const auto found = snapshot->find_pointer(*IpAddress::parse(address));
    return found ? found->target.to_text() : "none";
  }

  std::unique_ptr<SnapshotBuilder> builder_ =
      SnapshotBuilder::create({.owned_zones = {"mesh."},
                               .vip_pools = {*IpPrefix::parse("244.0.0.0/6")},
                               .times = {},
                               .hash_key = HashKey{1, 2}})
          .value();
};

TEST_F(SnapshotInstances, AnswerBesideTheirServiceForAShorterTime) {
  builder_->upsert_instance(instance("web-1", {"192.0.2.1"}));
  EXPECT_EQ(seen("WEB-1.web.mesh"), "192.0.2.1 5");
  EXPECT_EQ(seen("web.mesh"), "244.0.0.1 30");
  EXPECT_EQ(seen("web-2.web.mesh"), "absent");
  builder_->upsert_instance(instance("web-1", {"192.0.2.2"}));
  EXPECT_EQ(seen("web-1.web.mesh"), "192.0.2.2 5");
  builder_->remove_instance(kWeb, "web-1");
  builder_->remove_instance(kWeb, "never");
  EXPECT_EQ(seen("web-1.web.mesh"), "absent");
  EXPECT_EQ(seen("web.mesh"), "244.0.0.1 30");
}

TEST_F(SnapshotInstances, KeepTheirTtlBelowThatOfTheZone) {
  builder_ = SnapshotBuilder::create({.owned_zones = {"mesh."}, .times = {.ttl = 2}}).value();
  builder_->upsert_instance(instance("web-1", {"192.0.2.1"}));
  EXPECT_EQ(seen("web-1.web.mesh"), "192.0.2.1 2");
}

TEST_F(SnapshotInstances, MakeEmptyNonTerminalsOfTheDotsInTheirNames) {
  builder_->upsert_instance(instance("a.b", {"192.0.2.1"}));
  EXPECT_EQ(seen("a.b.web.mesh"), "192.0.2.1 5");
  EXPECT_EQ(seen("b.web.mesh"), "ent");
  builder_->remove_service(kWeb);
  EXPECT_EQ(seen("web.mesh"), "ent") << "the builder does not know whose instance it is";
  builder_->remove_instance(kWeb, "a.b");
  EXPECT_EQ(seen("b.web.mesh"), "absent");
  EXPECT_EQ(seen("web.mesh"), "absent");
}

TEST_F(SnapshotInstances, StandBackForAServiceThatComesLater) {
  builder_->upsert_instance(instance("api", {"192.0.2.1"}));
  const auto report = builder_->upsert_service(service("other", {"api.web.mesh"}),
                                               {.addresses = at({"244.0.0.2"})});
  EXPECT_THAT(report.clashes, IsEmpty());
  ASSERT_THAT(report.displaced, SizeIs(1));
  EXPECT_EQ(report.displaced[0].name, "api.web.mesh.");
  EXPECT_EQ(report.displaced[0].holder, "instance api of default/web");
  EXPECT_EQ(seen("api.web.mesh"), "244.0.0.2 30");
  EXPECT_EQ(pointer("244.0.0.2"), "api.web.mesh.");
  EXPECT_EQ(builder_->build_stats().contested_names, 1);
  // Nor does news of the instance win it back.
  const auto again = builder_->upsert_instance(instance("api", {"192.0.2.9"}));
  ASSERT_THAT(again.clashes, SizeIs(1));
  EXPECT_EQ(again.clashes[0].holder, "default/other");
  EXPECT_EQ(seen("api.web.mesh"), "244.0.0.2 30");
  builder_->remove_service({"default", "other"});
  EXPECT_EQ(seen("api.web.mesh"), "192.0.2.9 5");
  EXPECT_EQ(builder_->build_stats().contested_names, 0);
}

TEST_F(SnapshotInstances, StandBehindAllServicesAndRecordsInLine) {
  builder_->upsert_service(service("first", {"api.web.mesh"}), {.addresses = at({"244.0.0.2"})});
  builder_->upsert_instance(instance("api", {"192.0.2.1"}));
  builder_->upsert_record({"api.web.mesh", at({"192.0.2.77"}), {}});
  EXPECT_EQ(seen("api.web.mesh"), "244.0.0.2 30");
  builder_->remove_service({"default", "first"});
  EXPECT_EQ(seen("api.web.mesh"), "192.0.2.77 30");
  builder_->remove_instance(kWeb, "api");
  builder_->upsert_instance(instance("api", {"192.0.2.2"}));
  builder_->remove_record("api.web.mesh");
  EXPECT_EQ(seen("api.web.mesh"), "192.0.2.2 5");
}

TEST_F(SnapshotInstances, DoNotGetTheReversePointerOfTheirAddress) {
  builder_->upsert_instance(instance("odd", {"244.0.0.9"}));
  EXPECT_EQ(seen("odd.web.mesh"), "244.0.0.9 5");
  EXPECT_EQ(pointer("244.0.0.9"), "none");
  builder_->upsert_service(service("late", {"late.mesh"}), {.addresses = at({"244.0.0.9"})});
  EXPECT_EQ(pointer("244.0.0.9"), "late.mesh.");
  builder_->remove_instance(kWeb, "odd");
  EXPECT_EQ(pointer("244.0.0.9"), "late.mesh.");
}

TEST_F(SnapshotInstances, AreNamedWhenTheirNameIsTooLong) {
  Instance made = instance("web-1", {"192.0.2.1"});
  made.hostnames.push_back(std::string(60, 'x') + "." + std::string(60, 'x') + "." +
                           std::string(60, 'x') + "." + std::string(60, 'x') + ".toolong.mesh");
  const auto report = builder_->upsert_instance(made);
  EXPECT_THAT(report.rejected, SizeIs(1));
  EXPECT_EQ(seen("web-1.web.mesh"), "192.0.2.1 5");
}

}  // namespace
}  // namespace meshdns::dns
