#include "resolver/wire/name.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace meshdns::dns {
namespace {

Name name(std::string_view text) {
  const auto parsed = Name::from_text(text);
  EXPECT_TRUE(parsed.has_value()) << text;
  return parsed.value_or(Name());
}

std::string labels_of(std::size_t count, std::size_t size) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) {
    text += std::string(size, 'a') + ".";
  }
  return text;
}

struct TextCase {
  std::string text;
  std::optional<std::string> printed;  // none: rejected
};

TEST(Name, ReadsAndPrintsPresentationForm) {
  const std::vector<TextCase> cases{
      {"web.mesh.", "web.mesh."},
      {"web.mesh", "web.mesh."},
      {"WeB.Mesh", "WeB.Mesh."},
      {".", "."},
      {"", std::nullopt},
      {"..", std::nullopt},
      {".mesh", std::nullopt},
      {"web..mesh", std::nullopt},
      {"a\\000b.mesh", "a\\000b.mesh."},
      {"a\\255b.mesh", "a\\255b.mesh."},
      {"a\\256b.mesh", std::nullopt},
      {"a\\25", std::nullopt},
      {"a\\", std::nullopt},
      {"a\\2x0", std::nullopt},
      {"web\\.mesh", "web\\.mesh."},
      {"a b.mesh", "a\\032b.mesh."},
      {R"(a\"b\;c\\.mesh)", R"(a\"b\;c\\.mesh.)"},
      {labels_of(1, 63), labels_of(1, 63)},
      {labels_of(1, 64), std::nullopt},
      // Three labels of 64 octets and one of 62 make 254, and the root's: 255.
      {labels_of(3, 63) + std::string(61, 'b'), labels_of(3, 63) + std::string(61, 'b') + "."},
      {labels_of(3, 63) + std::string(62, 'b'), std::nullopt},
      {labels_of(127, 1), labels_of(127, 1)},
      {labels_of(128, 1), std::nullopt},
  };
  for (const TextCase& row : cases) {
    const auto parsed = Name::from_text(row.text);
    EXPECT_EQ(parsed.has_value(), row.printed.has_value()) << row.text;
    if (parsed && row.printed) {
      EXPECT_EQ(parsed->to_text(), *row.printed);
    }
  }
}

TEST(Name, TakesWireFormOnlyIfItIsOneWholeName) {
  const std::vector<std::pair<std::vector<std::uint8_t>, bool>> cases{
      {{0}, true},          {{1, 'a', 0}, true},     {{}, false},        {{1, 'a'}, false},
      {{2, 'a', 0}, false}, {{1, 'a', 0, 0}, false}, {{0xc0, 0}, false}, {{0x40, 0}, false},
  };
  for (const auto& [octets, good] : cases) {
    EXPECT_EQ(Name::from_wire(octets).has_value(), good) << testing::PrintToString(octets);
  }
}

TEST(Name, FoldsOnlyTheLettersAToZ) {
  // RFC 4343: neither the octets beside A-Z nor those with the top bit set change. Every octet at
  // every place of the eight that are folded at once.
  for (unsigned value = 0; value < 256; ++value) {
    for (std::size_t at = 0; at < 11; ++at) {
      std::array<std::uint8_t, 11> octets{};
      octets.fill('M');
      octets.at(at) = static_cast<std::uint8_t>(value);
      fold_octets(octets.data(), octets.data(), octets.size());
      const bool upper = value >= 'A' && value <= 'Z';
      EXPECT_EQ(octets.at(at), upper ? value + 32 : value);
      EXPECT_EQ(octets.at(at == 0 ? 1 : 0), 'm');
    }
  }
}

TEST(Name, ComparesWithoutCase) {
  EXPECT_TRUE(name("wEb.MESH").view().equals_ignoring_case(name("WeB.mesh")));
  EXPECT_FALSE(name("web.mesh").view().equals_ignoring_case(name("wec.mesh")));
  EXPECT_FALSE(name("web.mesh").view().equals_ignoring_case(name("web.mesh.x")));
  EXPECT_FALSE(name("web[").view().equals_ignoring_case(name("web{")));
  EXPECT_FALSE(name("web.mesh") == name("Web.mesh"));
}

TEST(Name, ComparesEveryOctetAtEveryPlaceWithoutTheCaseOfLettersAlone) {
  constexpr std::size_t kSize = 20;  // two times eight at once, and four more
  for (unsigned value = 0; value < 256; ++value) {
    for (std::size_t at = 1; at + 1 < kSize; ++at) {
      std::array<std::uint8_t, kSize> one{};
      one.fill('M');
      one.front() = kSize - 2;
      one.back() = 0;
      std::array<std::uint8_t, kSize> other = one;
      one.at(at) = static_cast<std::uint8_t>(value);
      other.at(at) = static_cast<std::uint8_t>(value ^ 0x20U);
      const unsigned upper = value & ~0x20U;
      EXPECT_EQ(NameView(one).equals_ignoring_case(NameView(other)), upper >= 'A' && upper <= 'Z')
          << value << " at " << at;
    }
  }
}

struct ZoneCase {
  std::string_view name;
  std::string_view zone;
  bool within;
};

TEST(Name, MatchesZonesLabelByLabel) {
  const std::vector<ZoneCase> cases{
      {"web.mesh", "mesh", true},
      {"mesh", "mesh", true},
      {"a.b.web.MESH", "mesh", true},
      {"notmesh", "mesh", false},
      {"mesh.example", "mesh", false},
      {"web\\.mesh", "mesh", false},
      {"web.mesh", ".", true},
      {".", "mesh", false},
      {"sh", "mesh", false},
      // The octets of a zone inside a label: \004mesh\000 ends both, but not at a label's start.
      {"x\\004mesh", "mesh", false},
  };
  for (const ZoneCase& row : cases) {
    EXPECT_EQ(name(row.name).view().is_within(name(row.zone)), row.within)
        << row.name << " in " << row.zone;
  }
}

TEST(Name, GoesUpToTheRootAndStays) {
  const Name whole = name("a.b");
  EXPECT_EQ(whole.view().label_count(), 2);
  EXPECT_EQ(whole.view().parent().to_text(), "b.");
  EXPECT_EQ(whole.view().parent().parent().to_text(), ".");
  EXPECT_EQ(whole.view().parent().parent().parent().to_text(), ".");
  EXPECT_TRUE(NameView().is_root());
}

TEST(Name, RefusesALabelThatDoesNotFitAndStaysWhole) {
  Name full = name(labels_of(3, 63) + std::string(59, 'b'));
  const std::array<std::uint8_t, 2> label{'x', 'y'};
  EXPECT_FALSE(full.append_label(label));
  EXPECT_TRUE(full.append_label(std::span(label).first(1)));
  EXPECT_EQ(full.size(), 255);
  EXPECT_FALSE(full.append_label({}));
  EXPECT_EQ(full.view().label_count(), 5);
}

TEST(Name, TakesManyLabelsAtOnceOrNone) {
  Name full = name(labels_of(3, 63));
  const Name rest = name(std::string(58, 'b') + ".c.d");
  const auto labels = rest.octets().first(rest.size() - 1);
  EXPECT_FALSE(full.append_labels(labels)) << "193 and 63";
  EXPECT_EQ(full.view().label_count(), 3);
  EXPECT_TRUE(full.append_labels(labels.first(labels.size() - 2)));
  EXPECT_TRUE(full.append_labels({}));
  EXPECT_EQ(full.to_text(), labels_of(3, 63) + std::string(58, 'b') + ".c.");
}

}  // namespace
}  // namespace meshdns::dns
