#include "resolver/snapshot/page_table.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/sip_hash.h"
#include "resolver/snapshot/table_entry.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {
namespace {

Name name_of(std::size_t i) { return *Name::from_text("n" + std::to_string(i) + ".mesh"); }

// A table of numbered names whose TTL is a value to compare, under a hash of the test's choice.
class NumberedTable {
 public:
  using Hash = std::uint64_t (*)(std::size_t number);

  explicit NumberedTable(Hash hash) : hash_(hash) {}
  NumberedTable(const NumberedTable&) = default;
  NumberedTable& operator=(const NumberedTable&) = delete;
  NumberedTable(NumberedTable&&) = delete;
  NumberedTable& operator=(NumberedTable&&) = delete;
  ~NumberedTable() = default;

  [[nodiscard]] const NameEntry* find(std::size_t number) const {
    const Name name = name_of(number);
    return table.find(hash_(number),
                      [&name](const NameEntry& entry) { return entry.name() == name.view(); });
  }
  void put(std::size_t number, std::uint32_t value) {
    const NameEntry* const found = find(number);
    NameEntry& entry =
        found == nullptr ? table.insert(hash_(number)) : table.replace(hash_(number), *found);
    const Name name = name_of(number);
    entry.kind = EntryKind::kHost;
    entry.ttl = value;
    entry.name_size = static_cast<std::uint8_t>(name.size());
    if (number % 3 == 0) {
      entry.adopt_side(SideRecord::create(name, {}));
    } else {
      std::copy(name.octets().begin(), name.octets().end(), entry.name_octets.begin());
    }
  }
  void erase(std::size_t number) { table.erase(hash_(number), *find(number)); }

  PageTable<NameEntry> table;

 private:
  Hash hash_;
};

std::uint64_t good_hash(std::size_t number) {
  const Name name = name_of(number);
  return sip_hash<1, 3>({1, 2}, name.octets());
}
// All in one page, told apart by the lower half alone.
std::uint64_t same_page_hash(std::size_t number) {
  return 0xabcdef0100000000U | (good_hash(number) & 0xffffffffU);
}
std::uint64_t equal_hash(std::size_t /*number*/) { return 0xabcdef0123456789U; }
// Eight pages' worth of leading bits.
std::uint64_t few_pages_hash(std::size_t number) {
  return (good_hash(number) & 0xffffffffU) | (number % 8) << 61U;
}

using Model = std::map<std::size_t, std::uint32_t>;

void expect_equal(const NumberedTable& table, const Model& model, std::size_t numbers) {
  EXPECT_EQ(table.table.size(), model.size());
  for (std::size_t number = 0; number < numbers; ++number) {
    const NameEntry* const entry = table.find(number);
    const auto expected = model.find(number);
    ASSERT_EQ(entry != nullptr, expected != model.end()) << number;
    if (entry != nullptr) {
      ASSERT_EQ(entry->ttl, expected->second) << number;
    }
  }
  std::size_t visited = 0;
  table.table.for_each([&visited](const NameEntry& /*entry*/) { ++visited; });
  EXPECT_EQ(visited, model.size());
}

struct ModelCase {
  const char* what;
  NumberedTable::Hash hash;
  std::size_t numbers;
  std::size_t changes;
};

class PageTableModel : public testing::TestWithParam<ModelCase> {};

TEST_P(PageTableModel, HoldsWhatAMapWouldHoldAndItsCopiesStayAsTheyWere) {
  const ModelCase& row = GetParam();
  std::mt19937 random(42);  // NOLINT(cert-msc51-cpp): the same test each time
  NumberedTable table(row.hash);
  Model model;
  std::vector<std::pair<std::unique_ptr<NumberedTable>, Model>> copies;
  for (std::size_t change = 0; change < row.changes; ++change) {
    const std::size_t number = random() % row.numbers;
    // More puts than erasures in the first half, the reverse later.
    const bool put = random() % 4 < (change < row.changes / 2 ? 3U : 1U);
    if (put) {
      const auto value = static_cast<std::uint32_t>(random());
      table.put(number, value);
      model[number] = value;
    } else if (model.erase(number) > 0) {
      table.erase(number);
    }
    if (change % (row.changes / 8) == 0) {
      copies.emplace_back(std::make_unique<NumberedTable>(table), model);
    }
  }
  expect_equal(table, model, row.numbers);
  for (const auto& [copy, as_it_was] : copies) {
    expect_equal(*copy, as_it_was, row.numbers);
  }
  // The copies go in another order than they came, the table itself in between.
  copies.erase(copies.begin() + 3);
  for (const auto& [number, value] : model) {
    table.erase(number);
  }
  expect_equal(table, {}, row.numbers);
  expect_equal(*copies.back().first, copies.back().second, row.numbers);
}

INSTANTIATE_TEST_SUITE_P(Hashes, PageTableModel,
                         testing::Values(ModelCase{"good", good_hash, 5000, 30000},
                                         ModelCase{"one page", same_page_hash, 300, 3000},
                                         ModelCase{"equal", equal_hash, 200, 2000},
                                         ModelCase{"few", few_pages_hash, 1000, 8000}),
                         [](const auto& row) {
                           std::string name(row.param.what);
                           std::erase(name, ' ');
                           return name;
                         });

TEST(PageTable, SplitsAndMergesBackToASmallTable) {
  NumberedTable table(good_hash);
  const std::size_t empty = table.table.memory_bytes();
  for (std::size_t i = 0; i < 20000; ++i) {
    table.put(i, 1);
  }
  const std::size_t full = table.table.memory_bytes();
  EXPECT_GT(full, 20000 * 64);
  EXPECT_LT(full, 20000 * 150);
  for (std::size_t i = 0; i < 20000; ++i) {
    table.erase(i);
  }
  // Directory pages stay, entry pages do not: at most one per nine bits' slot is left nearly empty.
  EXPECT_LT(table.table.memory_bytes(), empty + full / 10);
}

TEST(PageTable, CopiesOnlyTheWayToWhatChanges) {
  NumberedTable table(good_hash);
  for (std::size_t i = 0; i < 10000; ++i) {
    table.put(i, 1);
  }
  const PageTable<NameEntry> before = table.table;
  (void)table.table.take_stats();
  table.put(77, 2);
  EXPECT_EQ(table.table.stats().entry_pages_copied, 1);
  EXPECT_EQ(table.table.stats().directory_pages_copied, 1);
  table.put(77, 3);  // what is its own by now is not copied again
  EXPECT_EQ(table.table.take_stats().pages_touched(), 2);
  EXPECT_EQ(table.table.stats().pages_touched(), 0);
}

}  // namespace
}  // namespace meshdns::dns
