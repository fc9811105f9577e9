// What a damaged log takes of memory while it is put aside: a block of it.
#include <cstddef>
#include <filesystem>
#include <memory>

#include <gtest/gtest.h>

#include "discovery/control/entity_log.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/peak_memory.h"
#include "tests/support/temporary_directory.h"

namespace meshdns::discovery {
namespace {

constexpr std::size_t kDamagedOctets = std::size_t{32} << 20U;
// Blocks that are read, and little besides.
constexpr std::size_t kMostOctets = std::size_t{3} << 18U;

TEST(EntityLogMemory, DoesNotFollowWhatCannotBeBelieved) {
  const support::TemporaryDirectory folder;
  support::FaultyFileSystem files;
  ASSERT_TRUE(EntityLog::open(folder.path(), files)
                  .value()
                  ->store("a", std::make_shared<const StoredEntity>(StoredEntity{"now", "1"})));
  const auto before = std::filesystem::file_size(folder.file("entities.log"));
  std::filesystem::resize_file(folder.file("entities.log"), kDamagedOctets);

  const std::size_t peak = support::peak_of(files, [&] {
    const auto log = EntityLog::open(folder.path(), files).value();
    EXPECT_EQ(log->entities().size(), 1U);
    EXPECT_EQ(log->cut_octets(), kDamagedOctets - before);
  });
  EXPECT_EQ(std::filesystem::file_size(folder.file("entities.log.cut")), kDamagedOctets);
  RecordProperty("octets", static_cast<int>(peak));
  EXPECT_LE(peak, kMostOctets);
}

}  // namespace
}  // namespace meshdns::discovery
