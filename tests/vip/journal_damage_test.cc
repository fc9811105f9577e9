// A store on every prefix of a journal, on every torn sector of it, and on one with flipped bits:
// what can be read stays with whom it was told to belong to, nobody gets what nobody had, and what
// is not understood is kept.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "base/metrics.h"
#include "tests/support/manual_clock.h"
#include "tests/support/power_loss_file_system.h"
#include "tests/vip/churn.h"
#include "tests/vip/tasks.h"
#include "vip/lease_store.h"
#include "vip/metrics.h"

namespace meshdns::vip {
namespace {

constexpr const char* kJournal = "/state/vips.journal";
constexpr const char* kKept = "/state/vips.journal.corrupt-1";
constexpr std::size_t kSectorOctets = 512;
// In a record with an IPv4 address.
constexpr std::size_t kAddressOffset = 18;
constexpr std::size_t kKeyOffset = 22;
constexpr std::uint64_t kServices = 30;

std::string service_key(std::uint64_t number) {
  return std::to_string(number) + "/service///a-name-of-some-length-as-services-have-it";
}

// What was told, once the journal had so many octets.
struct Told {
  std::size_t octets = 0;
  std::string key;
  std::string address;
};

struct Record {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::string key;
};

// A folder in memory, and the stores on it.
class Folder {
 public:
  // Empty, or with a journal in it.
  explicit Folder(const std::string& journal = "") {
    if (!journal.empty()) {
      (void)files_.make_directory("/state", 0700);
      (void)files_.open(kJournal, O_WRONLY | O_CREAT, 0600);
      files_.set_content(kJournal, journal);
    }
  }

  std::unique_ptr<LeaseStore> open() {
    LeaseStore::Options options;
    options.ipv4_pool = IpPrefix::parse(kChurnPool).value();
    options.directory = "/state";
    options.mode = StateMode::kRequired;
    auto store = LeaseStore::open(
        options, files_, clock_, [this](auto task) { tasks_.post(std::move(task)); },
        [](const auto&) {}, logger(), metrics_);
    EXPECT_TRUE(store) << store.error().message;
    return store ? std::move(*store) : nullptr;
  }
  // Waits until a batch is on disk.
  void settle() {
    const std::uint64_t enough = metrics_.journal_syncs.value() + 1;
    while (metrics_.journal_syncs.value() < enough) {
      ASSERT_TRUE(tasks_.run_one());
    }
  }
  [[nodiscard]] std::string content(const std::string& path) const { return files_.content(path); }
  [[nodiscard]] std::uint64_t damages() const { return metrics_.journal_damages.value(); }

 private:
  static Logger& logger() {
    static const auto kLogs = Logs::create({"off", LogFormat::kText}).value();
    return kLogs->logger("vip");
  }

  support::PowerLossFileSystem files_{1};
  support::ManualClock clock_;
  Tasks tasks_;
  MetricRegistry registry_;
  VipMetrics metrics_{registry_};
};

std::size_t number_at(std::string_view journal, std::size_t offset) {
  std::size_t value = 0;
  for (const char octet : journal.substr(offset, 4)) {
    value = value << 8U | static_cast<unsigned char>(octet);
  }
  return value;
}

std::string ipv4_at(std::string_view journal, std::size_t offset) {
  std::string text;
  for (const char octet : journal.substr(offset, 4)) {
    text += (text.empty() ? "" : ".") + std::to_string(static_cast<unsigned char>(octet));
  }
  return text;
}

// A journal that services wrote who came, went and came back, and all that is known of it.
class JournalDamage : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    Folder folder;
    const auto store = folder.open();
    std::mt19937_64 engine(7);
    const auto change = [&](std::uint64_t number) {
      const std::string key = service_key(number);
      if (store->find(key) && engine() % 3 == 0) {
        store->release(key);
      } else {
        (void)store->acquire(key);
      }
      return key;
    };
    for (std::uint64_t next = 0; next < kServices; next += 2) {
      const std::vector<std::string> keys{change(next), change(next + 1),
                                          change(engine() % (next + 2))};
      store->flush();
      folder.settle();
      for (const std::string& key : keys) {
        if (const auto lease = store->find(key)) {
          all_told.push_back({folder.content(kJournal).size(), key, address_of(*lease)});
        }
      }
    }
    the_journal = folder.content(kJournal);
    for (std::size_t at = number_at(the_journal, 12); at < the_journal.size();) {
      const std::size_t end = at + number_at(the_journal, at + 4);
      const std::string key = the_journal.substr(at + kKeyOffset, end - at - kKeyOffset);
      all_records.push_back({at, end, key});
      addresses.emplace(key, ipv4_at(the_journal, at + kAddressOffset));
      at = end;
    }
    ASSERT_GT(the_journal.size(), 5 * kSectorOctets);
    ASSERT_EQ(all_records.back().end, the_journal.size());
  }

  // Opens stores on `journal`, in which the octets from `begin` to `end` are not what they were, or
  // are gone from the end.
  static void expect_survivors(const std::string& journal, std::size_t begin, std::size_t end) {
    Folder folder(journal);
    expect_leases(folder, begin, end);
    const bool was_damaged = folder.damages() > 0;
    if (was_damaged) {
      EXPECT_EQ(folder.content(kKept), journal);
    } else {
      EXPECT_TRUE(journal.starts_with(folder.content(kJournal)));  // it was cut
    }
    // Nothing that can be read stands behind what a store cuts.
    EXPECT_TRUE(was_damaged || begin == journal.size() || end >= all_records.back().begin) << begin;
    // Nor is the last record cut without a copy while it has its length.
    EXPECT_TRUE(was_damaged || journal.size() < the_journal.size() ||
                number_at(journal, all_records.back().begin + 4) !=
                    journal.size() - all_records.back().begin)
        << begin;
    const std::uint64_t damages = folder.damages();
    expect_leases(folder, begin, end);
    EXPECT_EQ(folder.damages(), damages) << "the journal that was left is damaged";
  }

  static void expect_leases(Folder& folder, std::size_t begin, std::size_t end) {
    const auto store = folder.open();
    ASSERT_NE(store, nullptr);
    // Each key has but one address in its life, so any record that is left says whose it is.
    for (const Record& record : all_records) {
      const bool is_whole =
          record.end <= begin || (record.begin >= end && end < the_journal.size());
      if (is_whole) {
        EXPECT_EQ(holder_of(*store, addresses[record.key]), record.key);
      }
    }
    store->for_each([](std::string_view key, const LeaseStore::Lease& lease) {
      EXPECT_EQ(address_of(lease), addresses[std::string(key)]) << key;
    });
  }

  static inline std::string the_journal;
  static inline std::vector<Told> all_told;
  static inline std::vector<Record> all_records;
  static inline std::map<std::string, std::string> addresses;
};

TEST_F(JournalDamage, EveryPrefixHoldsWhatWasToldByThen) {
  for (std::size_t length = 1; length <= the_journal.size(); ++length) {
    SCOPED_TRACE(length);
    Folder folder(the_journal.substr(0, length));
    {
      const auto store = folder.open();
      ASSERT_NE(store, nullptr);
      for (const Told& told : all_told) {
        if (told.octets <= length) {
          ASSERT_EQ(holder_of(*store, told.address), told.key);
        }
      }
    }
    // A header that is cut short was never left by us: that is damage, and is kept.
    ASSERT_EQ(folder.damages(), length < all_records.front().begin ? 1U : 0U);
    ASSERT_TRUE(length >= all_records.front().begin ||
                folder.content(kKept) == the_journal.substr(0, length));
  }
}

TEST_F(JournalDamage, EveryTornSectorCostsOnlyItsOwnRecords) {
  std::mt19937_64 engine(3);
  for (std::size_t begin = 0; begin < the_journal.size(); begin += kSectorOctets) {
    SCOPED_TRACE(begin);
    const std::size_t octets = std::min(kSectorOctets, the_journal.size() - begin);
    std::string noise(octets, '\0');
    std::ranges::generate(noise, [&] { return static_cast<char>(engine()); });
    // What a disk may leave there: nothing, noise, what it held before, which here is what the
    // file begins with.
    for (const std::string& sector : {std::string(octets, '\0'), std::string(octets, '\xff'), noise,
                                      the_journal.substr(0, octets)}) {
      std::string torn = the_journal;
      torn.replace(begin, octets, sector);
      if (torn != the_journal) {
        expect_survivors(torn, begin, begin + octets);
      }
    }
    if (begin == 0) {
      continue;  // nothing would be left that is a journal's
    }
    // The sector, and all after it, were never written, though the file has its length.
    std::string zeros = the_journal;
    std::fill(zeros.begin() + static_cast<std::ptrdiff_t>(begin), zeros.end(), '\0');
    expect_survivors(zeros, begin, the_journal.size());
    // A sector that never came, and the end of the file with it.
    std::string without = the_journal.substr(0, begin + octets);
    without.replace(begin, octets, noise);
    expect_survivors(without, begin, the_journal.size());
  }
}

TEST_F(JournalDamage, AThousandFlippedBitsCostOneRecordEach) {
  constexpr int kFlips = 1000;
  std::mt19937_64 engine(5);
  for (int flip = 0; flip < kFlips; ++flip) {
    std::string damaged = the_journal;
    const std::size_t place = engine() % the_journal.size();
    SCOPED_TRACE(place);
    damaged[place] = static_cast<char>(damaged[place] ^ static_cast<char>(1U << engine() % 8));
    expect_survivors(damaged, place, place + 1);
  }
}

}  // namespace
}  // namespace meshdns::vip
