#include "resolver/snapshot/port_lists.h"

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "discovery/service.h"

namespace meshdns::dns {
namespace {

using discovery::Protocol;
using discovery::ServicePort;
using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> seen(const PortListView& view, PortListIndex index) {
  std::vector<std::string> texts;
  for (const Port& port : view.find(index)) {
    texts.push_back(std::to_string(port.number) + " " + port.name + "/" +
                    std::string(port.protocol) + (port.has_https_record ? " https" : ""));
  }
  return texts;
}

std::vector<ServicePort> one(std::uint16_t number, std::string name = "") {
  return {{std::move(name), number, Protocol::kTcp}};
}

TEST(PortLists, KeepsOneListForAllThatHaveIt) {
  PortLists lists(HttpsRecords::kTlsPorts);
  const PortListIndex first = lists.acquire(one(80, "Web"));
  EXPECT_EQ(lists.acquire(one(80, "web")), first);
  EXPECT_NE(lists.acquire(one(80, "other")), first);
  EXPECT_EQ(lists.size(), 2);
  EXPECT_THAT(seen(lists.view(), first), ElementsAre("80 web/"));
}

TEST(PortLists, HasNoListForNoPorts) {
  PortLists lists(HttpsRecords::kTlsPorts);
  EXPECT_EQ(lists.acquire({}), kNoPorts);
  lists.release(kNoPorts);
  EXPECT_THAT(seen(lists.view(), kNoPorts), IsEmpty());
  EXPECT_THAT(seen(PortListView(), kPortsNotTold), IsEmpty());
}

TEST(PortLists, SortsByNumberAndTakesTheFirstOfANumber) {
  PortLists lists(HttpsRecords::kTlsPorts);
  const std::vector<ServicePort> ports{
      {"b", 443, Protocol::kHttp2}, {"a", 80, Protocol::kHttp}, {"c", 443, Protocol::kTcp}};
  EXPECT_THAT(seen(lists.view(), lists.acquire(ports)),
              ElementsAre("80 a/http", "443 b/http2 https"));
}

TEST(PortLists, TellsApartWhatReadsAlike) {
  PortLists lists(HttpsRecords::kTlsPorts);
  EXPECT_NE(
      lists.acquire(std::vector<ServicePort>{{"a", 1, Protocol::kTcp}, {"b", 2, Protocol::kTcp}}),
      lists.acquire(one(1, "a2  1 b")));
}

TEST(PortLists, AViewKeepsWhatItShowsWhenTheIndexIsUsedAgain) {
  PortLists lists(HttpsRecords::kTlsPorts);
  const PortListIndex old_index = lists.acquire(one(80));
  const PortListView before = lists.view();
  lists.release(old_index);
  const PortListIndex index = lists.acquire(one(81));
  const PortListView after = lists.view();
  ASSERT_EQ(index, old_index);
  EXPECT_THAT(seen(before, index), ElementsAre("80 /"));
  EXPECT_THAT(seen(after, index), ElementsAre("81 /"));
}

TEST(PortLists, AListGoesWithItsLastOwner) {
  PortLists lists(HttpsRecords::kTlsPorts);
  const PortListIndex index = lists.acquire(one(80));
  ASSERT_EQ(lists.acquire(one(80)), index);
  lists.release(index);
  EXPECT_EQ(lists.size(), 1);
  lists.release(index);
  EXPECT_EQ(lists.size(), 0);
}

TEST(PortLists, SaysSoWhenThereAreTooManyAndRecovers) {
  PortLists lists(HttpsRecords::kTlsPorts);
  PortListView view;
  for (std::uint32_t i = 1; i < kPortsNotTold; ++i) {
    ASSERT_EQ(lists.acquire(one(static_cast<std::uint16_t>(i))), i);
    if (i % 1000 == 0) {
      view = lists.view();
    }
  }
  EXPECT_EQ(lists.acquire(one(1, "one more")), kPortsNotTold);
  lists.release(kPortsNotTold);
  EXPECT_EQ(lists.acquire(one(17)), 17) << "one that is there";
  lists.release(300);
  EXPECT_EQ(lists.acquire(one(1, "one more")), 300);
  EXPECT_THAT(seen(lists.view(), 300), ElementsAre("1 one more/"));
  EXPECT_THAT(seen(view, 300), ElementsAre("300 /"));
  EXPECT_THAT(seen(lists.view(), 65534), ElementsAre("65534 /"));
}

TEST(PortLists, SaysWhichPortsHaveHttpsRecords) {
  const std::vector<ServicePort> ports{
      {"https", 1, Protocol::kTcp},   {"HTTPS-admin", 2, Protocol::kHttp},
      {"httpsx", 3, Protocol::kTcp},  {"web", 4, Protocol::kHttp},
      {"kafka", 5, Protocol::kKafka}, {"", 443, Protocol::kTcp}};
  const auto numbers = [&ports](HttpsRecords wanted) {
    PortLists lists(wanted);
    std::vector<int> found;
    const PortListIndex index = lists.acquire(ports);
    const PortListView view = lists.view();
    for (const Port& port : view.find(index)) {
      if (port.has_https_record) {
        found.push_back(port.number);
      }
    }
    return found;
  };
  EXPECT_THAT(numbers(HttpsRecords::kTlsPorts), ElementsAre(1, 2, 443));
  EXPECT_THAT(numbers(HttpsRecords::kAllHttpPorts), ElementsAre(1, 2, 4, 443));
  EXPECT_THAT(numbers(HttpsRecords::kNone), IsEmpty());
}

}  // namespace
}  // namespace meshdns::dns
