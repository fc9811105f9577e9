#include "resolver/app/self_registration.h"

#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "base/file_system.h"
#include "base/log.h"
#include "discovery/xds/node.h"
#include "tests/support/temporary_directory.h"

namespace meshdns::dns {
namespace {

const std::string kGood = "type: Dataplane\nname: web-1\n";
const std::string kBetter = "type: Dataplane\nname: web-1\nmesh: default\n";
const std::string kRefusal = "status 3: dataplane.resource: networking is missing";

class SelfRegistrationTest : public testing::Test {
 protected:
  // What the control plane is told at a connection.
  std::string told() {
    discovery::NodeInfo node;
    registration_.complete(node);
    const auto found = node.metadata.find("dataplane.resource");
    return found == node.metadata.end() ? "nothing" : found->second;
  }

  support::TemporaryDirectory folder_;
  std::string path_ = folder_.write("dp.yaml", kGood);
  PosixFileSystem files_;
  std::unique_ptr<Logs> logs_ = Logs::create({"off", LogFormat::kText}).value();
  SelfRegistration registration_{path_, kGood, files_, logs_->logger("xds")};
};

TEST_F(SelfRegistrationTest, TellsEachConnectionWhatIsInTheFile) {
  EXPECT_EQ(told(), kGood);
  EXPECT_FALSE(registration_.has_changed());
  folder_.write("dp.yaml", kBetter);
  EXPECT_TRUE(registration_.has_changed());
  EXPECT_EQ(told(), kBetter);
  EXPECT_FALSE(registration_.has_changed());
}

TEST_F(SelfRegistrationTest, LeavesOutWhatWasRefusedUntilTheFileChanges) {
  ASSERT_EQ(told(), kGood);
  registration_.on_loss(kRefusal);
  EXPECT_EQ(registration_.refusal(), "networking is missing");
  EXPECT_EQ(told(), "nothing");
  registration_.on_loss("connection reset");
  EXPECT_EQ(told(), "nothing");
  folder_.write("dp.yaml", kBetter);
  EXPECT_EQ(told(), kBetter);
  EXPECT_EQ(registration_.refusal(), "");
}

TEST_F(SelfRegistrationTest, GoesOnWithWhatItHadWhileTheFileCannotBeUsed) {
  folder_.write("dp.yaml", "type: Mesh\n");
  EXPECT_FALSE(registration_.has_changed() && told() != kGood);
  EXPECT_EQ(told(), kGood);
}

TEST_F(SelfRegistrationTest, TakesOtherLossesForNoRefusal) {
  ASSERT_EQ(told(), kGood);
  registration_.on_loss("status 14: connection refused");
  EXPECT_EQ(registration_.refusal(), "");
  EXPECT_EQ(told(), kGood);
}

}  // namespace
}  // namespace meshdns::dns
