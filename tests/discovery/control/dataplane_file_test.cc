#include "discovery/control/dataplane_file.h"

#include <cstddef>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/folder_watch.h"
#include "discovery/dataplane.h"
#include "discovery/feeds/yaml_entity.h"

namespace meshdns::discovery {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

std::string entity(const std::string& name, const std::string& address = "192.0.2.1") {
  return "---\ntype: Dataplane\nname: " + name + "\nnetworking: {address: " + address + "}\n";
}

// Names with their addresses, as the file stands for them now.
std::vector<std::string> held(const DataplaneFile& file) {
  std::vector<std::string> result;
  for (const auto& [id, entity] : file.dataplanes()) {
    result.push_back(id.name + "=" + entity.dataplane->address.to_string());
  }
  return result;
}

std::vector<int> problem_lines(const DataplaneFile& file) {
  std::vector<int> lines;
  for (const YamlProblem& problem : file.problems()) {
    lines.push_back(problem.line);
  }
  return lines;
}

TEST(DataplaneFile, SaysWhereEachEntityBegins) {
  DataplaneFile file;
  file.update("# two\n" + entity("a") + "# the second\n" + entity("b"));
  EXPECT_EQ(*file.dataplanes().at({"default", "a"}).line, 2);
  EXPECT_EQ(*file.dataplanes().at({"default", "b"}).line, 7);
  EXPECT_THAT(file.problems(), IsEmpty());
}

TEST(DataplaneFile, KeepsTheVeryObjectOfADocumentThatDidNotChange) {
  DataplaneFile file;
  file.update(entity("a") + entity("b"));
  const auto before = file.dataplanes();
  file.update(entity("new") + entity("a") + entity("b", "192.0.2.2"));
  const auto& after = file.dataplanes();
  EXPECT_EQ(after.at({"default", "a"}).dataplane, before.at({"default", "a"}).dataplane);
  EXPECT_NE(after.at({"default", "b"}).dataplane, before.at({"default", "b"}).dataplane);
}

TEST(DataplaneFile, DropsWhatAGoodVersionLeavesOut) {
  DataplaneFile file;
  file.update(entity("a") + entity("b"));
  file.update(entity("b"));
  EXPECT_THAT(held(file), ElementsAre("b=192.0.2.1"));
}

TEST(DataplaneFile, ServesTheGoodEntitiesBesideABadOneAndNamesItsLine) {
  DataplaneFile file;
  file.update(entity("a") + entity("bad", "example.org") + entity("c"));
  EXPECT_THAT(held(file), ElementsAre("a=192.0.2.1", "c=192.0.2.1"));
  EXPECT_THAT(problem_lines(file), ElementsAre(8));
}

TEST(DataplaneFile, KeepsTheLastGoodFormOfAnEntityThatBecameBad) {
  DataplaneFile file;
  file.update(entity("a") + entity("b"));
  file.update(entity("a", "192.0.2.9") + entity("b", "oops"));
  EXPECT_THAT(held(file), ElementsAre("a=192.0.2.9", "b=192.0.2.1"));
  // Also past the next good changes beside it.
  file.update(entity("a", "192.0.2.8") + entity("b", "oops"));
  EXPECT_THAT(held(file), ElementsAre("a=192.0.2.8", "b=192.0.2.1"));
  file.update(entity("a") + entity("b", "192.0.2.7"));
  EXPECT_THAT(held(file), ElementsAre("a=192.0.2.1", "b=192.0.2.7"));
}

TEST(DataplaneFile, DropsNothingForAnyCutOfTheFile) {
  const std::string whole = entity("a") + entity("b") + entity("c");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    DataplaneFile file;
    file.update(whole);
    file.update(std::string_view(whole).substr(0, size));
    // A cut between two documents, or within an address, is itself a good file.
    if (!file.problems().empty()) {
      EXPECT_EQ(file.dataplanes().size(), 3U) << size;
    }
    file.update(whole);
    EXPECT_EQ(file.dataplanes().size(), 3U) << size;
    EXPECT_THAT(file.problems(), IsEmpty()) << size;
  }
}

TEST(DataplaneFile, DropsWhatIsMissingOnceItsMistakeIsNoNews) {
  DataplaneFile file;
  file.update(entity("a") + entity("b"));
  file.update(entity("a") + "---\ntype: Data");
  EXPECT_THAT(held(file), ElementsAre("a=192.0.2.1", "b=192.0.2.1"));
  // The same text again says nothing new; another one with the same mistake does.
  file.update(entity("a") + "---\ntype: Data");
  EXPECT_THAT(held(file), ElementsAre("a=192.0.2.1", "b=192.0.2.1"));
  file.update(entity("a", "192.0.2.2") + "---\ntype: Data");
  EXPECT_THAT(held(file), ElementsAre("a=192.0.2.2"));
}

std::string entity_with_inbounds(const std::string& name) {
  return "---\ntype: Dataplane\nname: " + name +
         "\nnetworking:\n  address: 192.0.2.21\n  inbound:\n"
         "  - port: 8080\n    tags:\n      kuma.io/service: shop\n"
         "  - port: 8081\n    tags:\n      kuma.io/service: admin\n";
}

TEST(DataplaneFile, GrowingInPlaceOctetByOctetItNeverLosesWhatItHeld) {
  const std::string whole = entity_with_inbounds("a") + entity_with_inbounds("b");
  DataplaneFile file;
  file.update(whole);
  const auto before = file.dataplanes();
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    file.update(whole.substr(0, size), Written::kInPlace);
    ASSERT_EQ(file.dataplanes().size(), before.size()) << size;
    for (const auto& [id, held] : before) {
      ASSERT_EQ(*file.dataplanes().at(id).dataplane, *held.dataplane) << size;
    }
  }
  EXPECT_FALSE(file.is_unsettled());
  EXPECT_THAT(file.problems(), IsEmpty());
}

TEST(DataplaneFile, WhatAVersionInPlaceHasLostGoesOnceItIsWhole) {
  DataplaneFile file;
  file.update(entity("a") + entity_with_inbounds("b") + entity("c"));
  std::string shorter = entity("a", "192.0.2.9") + entity_with_inbounds("b");
  shorter.erase(shorter.find("  - port: 8081"));
  file.update(shorter, Written::kInPlace);
  EXPECT_TRUE(file.is_unsettled());
  EXPECT_THAT(held(file), ElementsAre("a=192.0.2.9", "b=192.0.2.21", "c=192.0.2.1"));
  EXPECT_EQ(file.dataplanes().at({"default", "b"}).dataplane->inbounds.size(), 2U);
  file.update(shorter);
  EXPECT_FALSE(file.is_unsettled());
  EXPECT_THAT(held(file), ElementsAre("a=192.0.2.9", "b=192.0.2.21"));
  EXPECT_EQ(file.dataplanes().at({"default", "b"}).dataplane->inbounds.size(), 1U);
}

TEST(DataplaneFile, AVersionInPlaceThatEndsWithinALineAddsAndChangesNothing) {
  DataplaneFile file;
  file.update(entity("a"));
  const std::string cut =
      entity("b") + "---\ntype: Dataplane\nname: a\nnetworking: {address: 192.0.2.9}";
  file.update(cut, Written::kInPlace);
  EXPECT_TRUE(file.is_unsettled());
  EXPECT_THAT(held(file), ElementsAre("a=192.0.2.1", "b=192.0.2.1"));
  file.update(cut);
  EXPECT_THAT(held(file), ElementsAre("a=192.0.2.9", "b=192.0.2.1"));
}

// Every dataplane with its line and address.
std::vector<std::string> sources(const DataplaneFile::Dataplanes& dataplanes) {
  std::vector<std::string> result;
  for (const auto& [id, entity] : dataplanes) {
    result.push_back(id.name + ":" + std::to_string(*entity.line) + "=" +
                     entity.dataplane->address.to_string());
  }
  return result;
}

TEST(DataplaneFile, AnyChangeOfAPartIsAsIfTheWholeWereReadAnew) {
  // What pieces a file is put together from: documents with and without a marker, ends, comments,
  // directives, an empty one and a bad one.
  const std::vector<std::string> pieces{entity("a"),
                                        entity("b"),
                                        entity("a", "192.0.2.7"),
                                        entity("c", "192.0.2.8"),
                                        entity("d") + "...\n",
                                        entity("e") + "# comment\n\n",
                                        "%YAML 1.2\n" + entity("f"),
                                        "...\n" + entity("g").substr(4),
                                        "...\n",
                                        "---\n",
                                        "--- # nothing\n",
                                        "# a comment\n",
                                        "%YAML 1.2\n",
                                        entity("bad", "nowhere"),
                                        "----\n",
                                        "\n"};
  std::mt19937 random(20240229);  // NOLINT(cert-msc51-cpp): the same series each time
  const auto below = [&](std::size_t bound) { return random() % bound; };
  DataplaneFile file;
  DataplaneFile::Dataplanes told;  // what the changes add up to
  std::vector<std::string> parts;
  int good = 0;
  for (int step = 0; step < 3000; ++step) {
    const auto place = static_cast<std::ptrdiff_t>(below(parts.size() + 1));
    const bool is_full = parts.size() > 6;
    if (place < static_cast<std::ptrdiff_t>(parts.size()) && (is_full || below(3) != 0)) {
      if (is_full || below(2) != 0) {
        parts.erase(parts.begin() + place);
      } else {
        parts[static_cast<std::size_t>(place)] = pieces[below(pieces.size())];
      }
    } else {
      parts.insert(parts.begin() + place, pieces[below(pieces.size())]);
    }
    std::string text;
    for (const std::string& part : parts) {
      text += part;
    }
    const DataplaneChange change = file.update(text);
    for (const DataplaneId& id : change.removed) {
      EXPECT_EQ(told.erase(id), 1U) << text;
    }
    for (const auto& [id, entity] : change.put) {
      told.insert_or_assign(id, entity);
    }
    ASSERT_EQ(sources(told), sources(file.dataplanes())) << text;
    DataplaneFile fresh;
    fresh.update(text);
    if (file.problems().empty()) {
      ++good;
      ASSERT_THAT(fresh.problems(), IsEmpty()) << text;
      ASSERT_EQ(sources(file.dataplanes()), sources(fresh.dataplanes())) << text;
    }
  }
  EXPECT_GT(good, 500);
}

TEST(DataplaneFile, TellsOfOneChangedDocumentOnly) {
  std::string before;
  std::string after;
  for (int i = 0; i < 100; ++i) {
    before += entity("dp-" + std::to_string(i));
    after += entity("dp-" + std::to_string(i), i == 50 ? "192.0.2.50" : "192.0.2.1");
  }
  DataplaneFile file;
  EXPECT_THAT(file.update(before).put, SizeIs(100));
  const DataplaneChange change = file.update("# shifted\n" + before);
  EXPECT_THAT(change.put, SizeIs(1)) << "the first document is behind the comment";
  EXPECT_EQ(*file.dataplanes().at({"default", "dp-99"}).line, 398);
  const DataplaneChange next = file.update("# shifted\n" + after);
  ASSERT_THAT(next.put, SizeIs(1));
  EXPECT_EQ(next.put[0].first.name, "dp-50");
  EXPECT_THAT(next.removed, IsEmpty());
}

TEST(DataplaneFile, TwoEqualMistakesAreNoNewsEither) {
  DataplaneFile file;
  const std::string bad = "---\ntype: Data\n";
  file.update(entity("a") + entity("b"));
  for (int i = 0; i < 2; ++i) {
    file.update(entity("a") + bad + bad);
    EXPECT_THAT(held(file), ElementsAre("a=192.0.2.1", "b=192.0.2.1")) << i;
  }
}

TEST(DataplaneFile, KeepsEverythingWhenItBecomesEmpty) {
  DataplaneFile file;
  file.update(entity("a"));
  for (const std::string text : {"", "\n\n", "# nothing\n", "---\n", "%YAML 1.2\n---\n...\n"}) {
    file.update(text);
    EXPECT_THAT(held(file), ElementsAre("a=192.0.2.1")) << text;
    EXPECT_THAT(problem_lines(file), ElementsAre(1)) << text;
  }
}

TEST(DataplaneFile, TakesTheFirstOfTwoThatAreTheSame) {
  DataplaneFile file;
  file.update(entity("a") + entity("a", "192.0.2.2"));
  EXPECT_THAT(held(file), ElementsAre("a=192.0.2.1"));
  ASSERT_THAT(problem_lines(file), ElementsAre(5));
  EXPECT_EQ(file.problems()[0].reason, "the dataplane default/a is already at line 1");
}

}  // namespace
}  // namespace meshdns::discovery
