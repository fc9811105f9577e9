// docs/CONFIGURATION.md against settings(): each setting has its row, and each row its setting.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "resolver/app/config.h"
#include "resolver/app/config_loader.h"
#include "resolver/app/settings.h"
#include "tests/support/markdown_table.h"

namespace meshdns::dns {
namespace {

using support::MarkdownRow;
using support::quoted_in;

const MarkdownRow kColumns{"Key", "Flag", "Variable", "Value", "Default", "On SIGHUP", "Meaning"};
enum Column : std::uint8_t { kKey, kFlag, kVariable, kValue, kDefault, kOnReload, kMeaning };

// Defaults that follow from the host or from other settings, so that no one text is right.
const std::map<std::string, std::string, std::less<>> kDerivedDefaults{
    {"state.directory",
     "/var/lib/meshdns/INSTANCE for root, else $XDG_STATE_HOME/meshdns/INSTANCE"},
    {"state.mode", "required in mode vm, best-effort in mode sidecar"},
    {"control_plane.node", "the host's name"},
};

std::string quote(std::string_view text) { return "`" + std::string(text) + "`"; }

std::string default_of(const Setting& setting) {
  if (const auto derived = kDerivedDefaults.find(setting.key); derived != kDerivedDefaults.end()) {
    return derived->second;
  }
  std::string cell;
  for (const std::string& text : setting.print(Config())) {
    cell += (cell.empty() ? "" : ", ") + (text.empty() ? "empty" : quote(text));
  }
  return cell.empty() ? "none" : cell;
}

// The row that `setting` must have; what Value says after its first word is checked elsewhere.
MarkdownRow row_of(const Setting& setting) {
  return {quote(setting.key),
          quote(setting.flag),
          quote(environment_name(setting.key)),
          (setting.shape == SettingShape::kList ? "list of " : "") + quote(setting.value),
          default_of(setting),
          setting.scope == SettingScope::kReload ? "reload" : "restart",
          std::string(setting.help)};
}

// What is wrong with the table, one line each.
std::vector<std::string> faults_of(const std::vector<MarkdownRow>& rows) {
  std::vector<std::string> faults;
  std::map<std::string, MarkdownRow> by_key;
  for (const MarkdownRow& row : rows) {
    if (row.size() != kColumns.size()) {
      faults.push_back("not so many cells: " + row.front());
    } else if (!by_key.emplace(row[kKey], row).second) {
      faults.push_back("twice: " + row[kKey]);
    }
  }
  for (const Setting& setting : settings()) {
    const auto place = by_key.find(quote(setting.key));
    if (place == by_key.end()) {
      faults.push_back("missing: " + std::string(setting.key));
      continue;
    }
    MarkdownRow row = place->second;
    const MarkdownRow want = row_of(setting);
    row[kValue] = row[kValue].substr(0, row[kValue].find("`, ") + 1);
    row[kValue] = row[kValue].empty() ? place->second[kValue] : row[kValue];
    for (std::size_t i = 0; i < want.size(); ++i) {
      if (row[i] != want[i]) {
        faults.push_back(std::string(setting.key) + ": " + kColumns[i] + " is " + want[i]);
      }
    }
    by_key.erase(place);
  }
  for (const auto& [key, row] : by_key) {
    faults.push_back("no such setting: " + key);
  }
  return faults;
}

std::vector<MarkdownRow> documented() {
  return support::rows_of_table(support::read_document("docs/CONFIGURATION.md"), kColumns);
}

TEST(ConfigurationDocument, HasTheRowOfEverySettingAndNoOther) {
  EXPECT_THAT(faults_of(documented()), testing::IsEmpty());
}

TEST(ConfigurationDocument, IsFoundOutWhenARowIsMissingExtraOrWrong) {
  const std::vector<MarkdownRow> good = documented();
  ASSERT_EQ(good.size(), settings().size());
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::vector<MarkdownRow> rows = good;
    rows.erase(rows.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_EQ(faults_of(rows).size(), 1U) << "without " << good[i][kKey];
    for (std::size_t cell = 0; cell < kColumns.size(); ++cell) {
      rows = good;
      rows[i][cell] = "`x`" + rows[i][cell];
      EXPECT_THAT(faults_of(rows), testing::Not(testing::IsEmpty()))
          << good[i][kKey] << ' ' << kColumns[cell];
    }
  }
  std::vector<MarkdownRow> rows = good;
  rows.push_back(good.front());
  rows.push_back(good.front());
  rows.back()[kKey] = "`new`";
  EXPECT_THAT(faults_of(rows), testing::ElementsAre("twice: `mode`", "no such setting: `new`"));
}

// "`1s` to `24h`" are values themselves, and what lies beyond is none.
TEST(ConfigurationDocument, NamesBoundsThatAreAccepted) {
  std::size_t bounds = 0;
  for (const MarkdownRow& row : documented()) {
    const Setting* const setting = find_setting(quoted_in(row.at(kKey)).at(0));
    ASSERT_NE(setting, nullptr);
    const std::vector<std::string> texts = quoted_in(row.at(kValue));
    for (std::size_t i = 1; i < texts.size(); ++i) {
      Config config;
      EXPECT_TRUE(setting->add(config, texts[i])) << setting->key << ' ' << texts[i];
      ++bounds;
    }
  }
  EXPECT_EQ(bounds, 33U);
}

TEST(ConfigurationDocument, HasAnExampleThatIsAConfiguration) {
  const std::string document = support::read_document("docs/CONFIGURATION.md");
  const auto begin = document.find("```yaml\n");
  ASSERT_NE(begin, std::string::npos);
  const std::string rest = document.substr(begin + 8);
  const LoadedConfig loaded = parse_config(rest.substr(0, rest.find("```")), "example");
  EXPECT_THAT(loaded.errors, testing::IsEmpty());
  EXPECT_GT(loaded.origins.size(), 10U);
}

}  // namespace
}  // namespace meshdns::dns
