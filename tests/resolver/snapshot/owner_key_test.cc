#include "resolver/snapshot/owner_key.h"

#include <set>
#include <string>

#include <gtest/gtest.h>

namespace meshdns::dns {
namespace {

TEST(OwnerKey, GivesEachSortOfOwnerItsLabel) {
  EXPECT_EQ(owner_label(service_key({"default", "backend"})), "default/backend");
  EXPECT_EQ(owner_label(record_key("Db.mesh.")), "record db.mesh");
  EXPECT_EQ(owner_label(record_key(R"(a\.b.mesh)")), R"(record a\.b.mesh)");
  EXPECT_EQ(owner_label(record_key("no name at all..")), "record ");
  EXPECT_EQ(owner_label(instance_key({"default", "backend"}, "backend-1")),
            "instance backend-1 of default/backend");
}

TEST(OwnerKey, IsOneForAllSpellingsOfAName) {
  EXPECT_EQ(record_key("db.mesh"), record_key("DB.Mesh."));
  EXPECT_EQ(record_key("db.mesh"), record_key(R"(\100b.mesh)"));
}

TEST(OwnerKey, ConfusesNeitherSortsNorWhatASlashParts) {
  const std::set<std::string> keys{
      service_key({"default", "a/b"}),
      instance_key({"default", "a"}, "b"),
      instance_key({"default", "a/b"}, "c"),
      instance_key({"default", "a"}, "b/c"),
      record_key("default"),
  };
  EXPECT_EQ(keys.size(), 5U);
  const std::string long_name(70000, 'x');
  EXPECT_EQ(owner_label(service_key({"m", long_name})), "m/" + long_name);
}

}  // namespace
}  // namespace meshdns::dns
