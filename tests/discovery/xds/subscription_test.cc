// The subscription rules of xDS as a table of conversations.
//
// A conversation is a list of steps; each does one thing and then says what the server sends.
// Things to do, in words:
//   put a=1 b=2     the table's resources take these values
//   hide a=1        likewise, for those alone who ask for it by name
//   del a           and lose this one
//   req ...         a request: "+a" asks for a name (state of the world: one of all names), "-a"
//                   unsubscribes, "a=1" is held by the client at that value, "ack", "nack" and
//                   "stale" carry a nonce, "same-version" the table's version
// Then what is sent: "a=1 -b" is one response with a resource and a removal, "()" is an empty one,
// "." is nothing.
#include "discovery/xds/subscription.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <ostream>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "discovery/xds/request.h"
#include "discovery/xds/resource.h"
#include "discovery/xds/type_table.h"
#include "discovery/xds/type_urls.h"
#include "envoy/service/discovery/v3/discovery.pb.h"

namespace meshdns::discovery {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryResponse;
using envoy::service::discovery::v3::DiscoveryResponse;

constexpr std::size_t kNoLimit = 1UL << 20U;

struct Step {
  std::string act;
  std::string sent;
};

struct Conversation {
  std::string name;
  XdsVariant variant;
  std::string type_url;
  std::vector<Step> steps;
};

void PrintTo(const Conversation& conversation, std::ostream* out) { *out << conversation.name; }

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) {
    words.push_back(word);
  }
  return words;
}

std::string name_of(const std::string& assignment) {
  return assignment.substr(0, assignment.find('='));
}

// One stream, one type: keeps the last nonce as a client does.
class Peer {
 public:
  Peer(XdsVariant variant, const std::string& type_url)
      : variant_(variant),
        type_url_(type_url),
        table_(type_url),
        subscription_(variant, is_full_state(type_url)) {}

  std::string act(const std::string& text, std::size_t limit_bytes = kNoLimit) {
    std::vector<std::string> words = words_of(text);
    const std::string verb = words.empty() ? "" : words.front();
    if (!words.empty()) {
      words.erase(words.begin());
    }
    if (verb == "put") {
      std::ranges::for_each(words, [&](const auto& w) { table_.update(name_of(w), w); });
    } else if (verb == "hide") {
      std::ranges::for_each(
          words, [&](const auto& w) { table_.update(name_of(w), w, {}, Listing::kByNameOnly); });
    } else if (verb == "del") {
      std::ranges::for_each(words, [&](const auto& w) { table_.remove(w); });
    } else if (verb == "req") {
      acknowledgement = variant_ == XdsVariant::kSotw ? subscription_.handle(sotw_request(words))
                                                      : subscription_.handle(delta_request(words));
    }
    return send(limit_bytes);
  }

  [[nodiscard]] const Subscription& subscription() const { return subscription_; }
  [[nodiscard]] TypeTable& table() { return table_; }

  Acknowledgement acknowledgement = Acknowledgement::kNone;

 private:
  SotwRequest sotw_request(const std::vector<std::string>& words) {
    SotwRequest request;
    for (const std::string& word : words) {
      if (word.front() == '+') {
        request.names.push_back(word.substr(1));
      } else if (word == "same-version") {
        request.version_info = table_.version();
      } else {
        set_nonce(word, request.nonce, request.error);
      }
    }
    return request;
  }

  DeltaRequest delta_request(const std::vector<std::string>& words) {
    DeltaRequest request;
    for (const std::string& word : words) {
      if (word.front() == '+') {
        request.subscribe.push_back(word.substr(1));
      } else if (word.front() == '-') {
        request.unsubscribe.push_back(word.substr(1));
      } else if (word.find('=') != std::string::npos) {
        const Resource held(type_url_, name_of(word), word);
        request.initial_versions.emplace(name_of(word), held.version());
      } else {
        set_nonce(word, request.nonce, request.error);
      }
    }
    return request;
  }

  void set_nonce(const std::string& word, std::string& nonce,
                 std::optional<std::string>& error) const {
    nonce = word == "stale" ? "nonce-of-another-time" : last_nonce_;
    if (word == "nack") {
      error = "no good";
    }
  }

  std::string send(std::size_t limit_bytes) {
    const std::string nonce = std::to_string(++sends_);
    const auto content = subscription_.next(table_, nonce, limit_bytes);
    if (!content) {
      return ".";
    }
    last_nonce_ = nonce;
    EXPECT_EQ(content->version, table_.version());
    std::string bytes;
    for (const SharedBytes& part : content->resources) {
      bytes += part.bytes;
    }
    EXPECT_EQ(content->resource_bytes(), bytes.size());
    std::vector<std::string> told = values_in(bytes);
    for (const std::string& name : content->removed) {
      told.push_back("-" + name);
    }
    return describe(std::move(told));
  }

  [[nodiscard]] std::vector<std::string> values_in(const std::string& bytes) const {
    std::vector<std::string> values;
    if (variant_ == XdsVariant::kSotw) {
      DiscoveryResponse response;
      EXPECT_TRUE(response.ParseFromString(bytes));
      for (const auto& any : response.resources()) {
        values.push_back(any.value());
      }
      return values;
    }
    DeltaDiscoveryResponse response;
    EXPECT_TRUE(response.ParseFromString(bytes));
    for (const auto& resource : response.resources()) {
      values.push_back(resource.resource().value());
    }
    return values;
  }

  static std::string describe(std::vector<std::string> told) {
    std::ranges::sort(told);
    std::string text;
    for (const std::string& one : told) {
      text += (text.empty() ? "" : " ") + one;
    }
    return text.empty() ? "()" : text;
  }

  XdsVariant variant_;
  std::string type_url_;
  TypeTable table_;
  Subscription subscription_;
  std::string last_nonce_;
  int sends_ = 0;
};

class SubscriptionRules : public testing::TestWithParam<Conversation> {};

TEST_P(SubscriptionRules, Hold) {
  const Conversation& conversation = GetParam();
  Peer peer(conversation.variant, conversation.type_url);
  int number = 0;
  for (const Step& step : conversation.steps) {
    ++number;
    EXPECT_EQ(peer.act(step.act), step.sent) << "step " << number << ": " << step.act;
  }
}

const std::string kCluster{kClusterTypeUrl};
const std::string kEndpoints{kClusterLoadAssignmentTypeUrl};
const std::string kService{kServiceTypeUrl};
constexpr XdsVariant kSotw = XdsVariant::kSotw;
constexpr XdsVariant kDelta = XdsVariant::kDelta;

std::string name_of_case(const testing::TestParamInfo<Conversation>& info) {
  return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(
    SotwWildcard, SubscriptionRules,
    testing::ValuesIn(std::vector<Conversation>{
        {"AnEmptyFirstRequestMeansEverything",
         kSotw,
         kCluster,
         {{"put a=1 b=1", "."}, {"req", "a=1 b=1"}, {"req ack", "."}}},
        {"AnEmptyTableIsAnAnswer", kSotw, kCluster, {{"req", "()"}, {"req ack", "."}}},
        {"OurServicesCountAsFullState", kSotw, kService, {{"put a=1", "."}, {"req", "a=1"}}},
        {"AChangeSendsTheWholeStateSoThatAbsenceRemoves",
         kSotw,
         kCluster,
         {{"put a=1 b=1", "."},
          {"req", "a=1 b=1"},
          {"req ack", "."},
          {"put b=2", "a=1 b=2"},
          {"req ack", "."},
          {"del a", "b=2"},
          {"req ack", "."},
          {"del b", "()"}}},
        {"AStarIsTheSameAndStaysWithANameBesideIt",
         kSotw,
         kCluster,
         {{"put a=1 b=1", "."},
          {"req +*", "a=1 b=1"},
          {"req ack +* +a", "a=1 b=1"},
          {"req ack +* +a", "."},
          {"put b=2", "a=1 b=2"}}},
        {"ANameWithoutAStarEndsTheLegacyWildcard",
         kSotw,
         kCluster,
         {{"put a=1 b=1", "."},
          {"req", "a=1 b=1"},
          {"req ack +a", "a=1"},
          {"req ack +a", "."},
          {"put b=2", "."},
          {"put a=2", "a=2"}}},
        {"AnEmptyListAfterANameMeansNothing",
         kSotw,
         kCluster,
         {{"put a=1 b=1", "."}, {"req +a", "a=1"}, {"req ack", "."}, {"put a=2 b=2", "."}}},
        {"AnEmptyListAfterAStarMeansNothing",
         kSotw,
         kCluster,
         {{"put a=1", "."}, {"req +*", "a=1"}, {"req ack", "."}, {"put a=2", "."}}},
        {"AnEmptyAckOfTheLegacyWildcardKeepsIt",
         kSotw,
         kCluster,
         {{"put a=1", "."},
          {"req", "a=1"},
          {"req ack", "."},
          {"req ack", "."},
          {"put a=2", "a=2"}}},
        {"ALegacyWildcardOfPartsIsNothing",
         kSotw,
         kEndpoints,
         {{"put a=1", "."}, {"req", "."}, {"put a=2", "."}, {"req +a", "a=2"}}},
        {"AStarOfPartsSendsEverythingAndThenWhatChanged",
         kSotw,
         kEndpoints,
         {{"put a=1 b=1", "."},
          {"req +*", "a=1 b=1"},
          {"req ack +*", "."},
          {"put b=2", "b=2"},
          {"req ack +*", "."},
          {"del a", "."}}},
        {"TheSameVersionAfterAReconnectIsNotSentAgain",
         kSotw,
         kCluster,
         {{"put a=1", "."}, {"req same-version stale", "."}, {"put a=2", "a=2"}}},
        {"AnotherVersionAfterAReconnectIs",
         kSotw,
         kCluster,
         {{"put a=1", "."}, {"req stale", "a=1"}}},
    }),
    name_of_case);

INSTANTIATE_TEST_SUITE_P(
    SotwNamed, SubscriptionRules,
    testing::ValuesIn(std::vector<Conversation>{
        {"FullStateSendsAllRequestedWheneverOneChanges",
         kSotw,
         kCluster,
         {{"put a=1 b=1 c=1", "."},
          {"req +a +b", "a=1 b=1"},
          {"req ack +a +b", "."},
          {"put c=2", "."},
          {"put a=2", "a=2 b=1"},
          {"req ack +a +b", "."},
          {"del b", "a=2"}}},
        {"AFullStateNameThatDoesNotExistIsAnsweredByItsAbsence",
         kSotw,
         kCluster,
         {{"req +a", "()"}, {"req ack +a", "."}, {"put a=1", "a=1"}}},
        {"PartsSendOnlyWhatChanged",
         kSotw,
         kEndpoints,
         {{"put a=1 b=1", "."},
          {"req +a +b", "a=1 b=1"},
          {"req ack +a +b", "."},
          {"put a=2", "a=2"}}},
        {"AMissingPartIsNotAnsweredUntilItExists",
         kSotw,
         kEndpoints,
         {{"req +a", "."}, {"put a=1", "a=1"}}},
        {"ANewNameIsSentThoughNothingChanged",
         kSotw,
         kEndpoints,
         {{"put a=1 b=1", "."},
          {"req +a", "a=1"},
          {"req ack +a", "."},
          {"req ack +a +b", "b=1"},
          {"req ack +a +b", "."}}},
        {"ANameDroppedAndAskedForAgainIsSentAgain",
         kSotw,
         kEndpoints,
         {{"put a=1 b=1", "."},
          {"req +a +b", "a=1 b=1"},
          {"req ack +b", "."},
          {"req ack +a +b", "a=1"}}},
        {"ARemovedPartSaysNothingAndComesBackWhenItExists",
         kSotw,
         kEndpoints,
         {{"put a=1", "."},
          {"req +a", "a=1"},
          {"req ack +a", "."},
          {"del a", "."},
          {"put a=1", "a=1"}}},
        {"TheFirstRequestOfAStreamIsAnsweredWhateverItsVersionAndNonce",
         kSotw,
         kEndpoints,
         {{"put a=1", "."}, {"req stale same-version +a", "a=1"}}},
        {"TheSameNamesAgainAreNotAnswered",
         kSotw,
         kEndpoints,
         {{"put a=1", "."}, {"req +a", "a=1"}, {"req ack +a", "."}, {"req ack +a", "."}}},
    }),
    name_of_case);

INSTANTIATE_TEST_SUITE_P(
    SotwNonces, SubscriptionRules,
    testing::ValuesIn(std::vector<Conversation>{
        {"NothingIsSentBeforeTheAck",
         kSotw,
         kCluster,
         {{"put a=1", "."},
          {"req", "a=1"},
          {"put a=2", "."},
          {"put a=3", "."},
          {"req ack", "a=3"}}},
        {"ANackIsNotAnsweredUntilSomethingChanges",
         kSotw,
         kCluster,
         {{"put a=1", "."}, {"req", "a=1"}, {"req nack", "."}, {"put a=2", "a=2"}}},
        {"AStaleRequestChangesTheNamesAndAcknowledgesNothing",
         kSotw,
         kEndpoints,
         {{"put a=1 b=1", "."},
          {"req +a", "a=1"},
          {"req stale +a +b", "."},
          {"req ack +a +b", "b=1"}}},
        {"AStaleNackRejectsNothing",
         kSotw,
         kCluster,
         {{"put a=1", "."},
          {"req", "a=1"},
          {"req stale", "."},
          {"put a=2", "."},
          {"req ack", "a=2"}}},
        {"ARequestWithoutANonceChangesTheNames",
         kSotw,
         kEndpoints,
         {{"put a=1 b=1", "."}, {"req +a", "a=1"}, {"req +b", "."}, {"req ack +b", "b=1"}}},
    }),
    name_of_case);

INSTANTIATE_TEST_SUITE_P(
    DeltaWildcard, SubscriptionRules,
    testing::ValuesIn(std::vector<Conversation>{
        {"AnEmptyFirstRequestMeansEverything",
         kDelta,
         kCluster,
         {{"put a=1 b=1", "."}, {"req", "a=1 b=1"}, {"req ack", "."}}},
        {"TheFirstRequestIsAnsweredHoweverEmpty", kDelta, kService, {{"req", "()"}}},
        {"OnlyChangesFollow",
         kDelta,
         kCluster,
         {{"put a=1 b=1", "."},
          {"req", "a=1 b=1"},
          {"req ack", "."},
          {"put b=2", "b=2"},
          {"req ack", "."},
          {"del a", "-a"},
          {"req ack", "."},
          {"put a=1", "a=1"}}},
        {"SeveralChangesBeforeAnAckAreOneResponse",
         kDelta,
         kCluster,
         {{"put a=1 b=1", "."},
          {"req", "a=1 b=1"},
          {"put b=2", "."},
          {"put b=3 c=1", "."},
          {"del a", "."},
          {"req ack", "-a b=3 c=1"}}},
        {"RemovalsFromBeforeTheStreamAreNoNews",
         kDelta,
         kCluster,
         {{"put a=1 b=1", "."}, {"del a", "."}, {"req", "b=1"}}},
        {"TheLegacyWildcardStaysBesideANameAndTheNameIsToldAgain",
         kDelta,
         kCluster,
         {{"put a=1 b=1", "."},
          {"req", "a=1 b=1"},
          {"req ack", "."},
          {"req +a", "a=1"},
          {"req ack", "."},
          {"put b=2", "b=2"}}},
        {"AnUnsubscribedStarLeavesTheNames",
         kDelta,
         kCluster,
         {{"put a=1 b=1", "."},
          {"req", "a=1 b=1"},
          {"req ack", "."},
          {"req +a", "a=1"},
          {"req ack", "."},
          {"req -*", "."},
          {"put b=2", "."},
          {"put a=2", "a=2"},
          {"req ack -a", "."},
          {"put a=3", "."}}},
        {"AStarBesideANameIsBoth",
         kDelta,
         kCluster,
         {{"put a=1 b=1", "."}, {"req +* +x", "-x a=1 b=1"}, {"req ack", "."}, {"put x=1", "x=1"}}},
        {"ALaterStarAddsTheRest",
         kDelta,
         kCluster,
         {{"put a=1 b=1", "."}, {"req +a", "a=1"}, {"req ack", "."}, {"req +*", "a=1 b=1"}}},
        {"ALaterStarOverAnEmptyTableIsAnswered",
         kDelta,
         kCluster,
         {{"req +a", "-a"}, {"req ack -a", "."}, {"req +*", "()"}}},
        {"ALaterStarTellsOfANameThatWentMeanwhile",
         kDelta,
         kCluster,
         {{"put a=1", "."}, {"req +a", "a=1"}, {"del a", "."}, {"req ack +*", "-a"}}},
        {"AStarAgainIsNoNews",
         kDelta,
         kCluster,
         {{"put a=1", "."}, {"req +*", "a=1"}, {"req ack", "."}, {"req +*", "."}}},
        {"AStarThatComesAndGoesBetweenTwoResponsesLosesNoChange",
         kDelta,
         kCluster,
         {{"put a=1 b=1", "."},
          {"req +a", "a=1"},
          {"req +*", "."},
          {"put a=2", "."},
          {"req -*", "."},
          {"req ack", "a=2"}}},
        {"UnsubscribingANameUnderAStarTellsItAgain",
         kDelta,
         kCluster,
         {{"put a=1 b=1", "."},
          {"req +*", "a=1 b=1"},
          {"req ack", "."},
          {"req -a", "a=1"},
          {"req ack", "."},
          {"req -nothing", "-nothing"}}},
        {"StarAndBackInOneRequestIsNothing",
         kDelta,
         kCluster,
         {{"put a=1", "."}, {"req +* -*", "."}, {"put a=2", "."}}},
        {"ALegacyWildcardOfPartsIsNothing",
         kDelta,
         kEndpoints,
         {{"put a=1", "."}, {"req", "."}, {"put a=2", "."}, {"req +a", "a=2"}}},
        {"AStarOfPartsIsEverything", kDelta, kEndpoints, {{"put a=1", "."}, {"req +*", "a=1"}}},
    }),
    name_of_case);

INSTANTIATE_TEST_SUITE_P(
    DeltaNamed, SubscriptionRules,
    testing::ValuesIn(std::vector<Conversation>{
        {"OnlyTheNamesAreSent",
         kDelta,
         kEndpoints,
         {{"put a=1 b=1", "."},
          {"req +a", "a=1"},
          {"req ack", "."},
          {"put b=2", "."},
          {"put a=2", "a=2"}}},
        {"AMissingNameIsRemovedPromptlyAndSentWhenItAppears",
         kDelta,
         kEndpoints,
         {{"put a=1", "."},
          {"req +a +b", "-b a=1"},
          {"req ack", "."},
          {"put b=1", "b=1"},
          {"req ack", "."},
          {"del b", "-b"},
          {"req ack", "."},
          {"put b=1", "b=1"}}},
        {"ANameSubscribedToAgainIsSentAgain",
         kDelta,
         kEndpoints,
         {{"put a=1", "."}, {"req +a", "a=1"}, {"req ack", "."}, {"req +a", "a=1"}}},
        {"AnUnsubscribedNameIsForgotten",
         kDelta,
         kEndpoints,
         {{"put a=1 b=1", "."},
          {"req +a +b", "a=1 b=1"},
          {"req ack -a", "."},
          {"put a=2", "."},
          {"put b=2", "b=2"}}},
        {"APhantomIsUnsubscribedInSilence",
         kDelta,
         kEndpoints,
         {{"req +a", "-a"}, {"req ack -x", "."}}},
        {"AnAckMayCarryASubscription",
         kDelta,
         kEndpoints,
         {{"put a=1 b=1", "."}, {"req +a", "a=1"}, {"req ack +b", "b=1"}}},
        {"AStaleRequestSubscribesAndAcknowledgesNothing",
         kDelta,
         kEndpoints,
         {{"put a=1 b=1", "."}, {"req +a", "a=1"}, {"req stale +b", "."}, {"req ack", "b=1"}}},
        {"AnUnsubscriptionBeforeTheSendingIsHonoured",
         kDelta,
         kEndpoints,
         {{"put a=1 b=1", "."},
          {"req +a", "a=1"},
          {"req +b", "."},
          {"req -b", "."},
          {"req ack", "."}}},
        {"ANackIsNotAnsweredUntilSomethingChanges",
         kDelta,
         kEndpoints,
         {{"put a=1", "."}, {"req +a", "a=1"}, {"req nack", "."}, {"put a=2", "a=2"}}},
    }),
    name_of_case);

INSTANTIATE_TEST_SUITE_P(
    DeltaReconnect, SubscriptionRules,
    testing::ValuesIn(std::vector<Conversation>{
        {"AWildcardGetsWhatDiffersAndWhatIsGone",
         kDelta,
         kCluster,
         {{"put a=1 b=2 c=1", "."},
          {"req a=1 b=1 gone=1", "-gone b=2 c=1"},
          {"req ack", "."},
          {"put a=2", "a=2"}}},
        {"AWildcardThatHasEverythingGetsAnEmptyAnswer",
         kDelta,
         kCluster,
         {{"put a=1 b=1", "."}, {"req a=1 b=1", "()"}, {"req ack", "."}}},
        {"ANameGoneAndRememberedAsATombstoneIsRemovedOnce",
         kDelta,
         kCluster,
         {{"put a=1 b=1", "."}, {"del b", "."}, {"req a=1 b=1", "-b"}, {"req ack", "."}}},
        {"ANameHeldAtThisVersionIsNotSentAgain",
         kDelta,
         kEndpoints,
         {{"put a=1 b=2", "."},
          {"req +a +b +c a=1 b=1 c=1", "-c b=2"},
          {"req ack", "."},
          {"put a=2", "a=2"}}},
        {"AWildcardWithNamesComparesEachOnce",
         kDelta,
         kCluster,
         {{"put a=1 b=1", "."}, {"req +* +a +x a=1", "-x b=1"}}},
        {"AnOldNonceIsNoNonce",
         kDelta,
         kCluster,
         {{"put a=1", "."}, {"req stale a=1", "()"}, {"req ack", "."}}},
        {"InitialVersionsCountInTheFirstRequestOnly",
         kDelta,
         kEndpoints,
         {{"put a=1 b=1", "."}, {"req +a", "a=1"}, {"req ack +b b=1", "b=1"}}},
    }),
    name_of_case);

INSTANTIATE_TEST_SUITE_P(ByNameOnly, SubscriptionRules,
                         testing::ValuesIn(std::vector<Conversation>{
                             {"AWildcardDoesNotCoverThem",
                              kSotw,
                              kCluster,
                              {{"put a=1", "."},
                               {"hide x=1", "."},
                               {"req", "a=1"},
                               {"req ack", "."},
                               {"hide x=2", "."},
                               {"del x", "."},
                               {"put b=1", "a=1 b=1"}}},
                             {"WhoNamesThemGetsThem",
                              kSotw,
                              kCluster,
                              {{"hide x=1 y=1", "."},
                               {"req +x", "x=1"},
                               {"req ack +x", "."},
                               {"hide y=2", "."},
                               {"hide x=2", "x=2"},
                               {"req ack +x", "."},
                               {"del x", "()"}}},
                             {"AWildcardThatNamesOneGetsThatOne",
                              kSotw,
                              kCluster,
                              {{"put a=1", "."},
                               {"hide x=1 y=1", "."},
                               {"req +* +x +a", "a=1 x=1"},
                               {"req ack +* +x +a", "."},
                               {"hide y=2", "."},
                               {"hide x=2", "a=1 x=2"}}},
                             {"InDeltaAWildcardIsToldOfThemWhileItNamesThem",
                              kDelta,
                              kCluster,
                              {{"put a=1", "."},
                               {"hide x=1 y=1", "."},
                               {"req +* +x", "a=1 x=1"},
                               {"req ack", "."},
                               {"hide x=2 y=2", "x=2"},
                               {"req ack", "."},
                               {"req -x", "-x"},
                               {"req ack", "."},
                               {"hide x=3", "."},
                               {"del x", "."}}},
                             {"AWildcardThatCoversNothingGetsAnEmptyAnswer",
                              kDelta,
                              kCluster,
                              {{"hide x=1", "."},
                               {"req", "()"},
                               {"req ack", "."},
                               {"hide x=2", "."},
                               {"put a=1", "a=1"}}},
                             {"WhatAWildcardSaysToHoldOfThemIsRemoved",
                              kDelta,
                              kCluster,
                              {{"put a=1", "."}, {"hide x=1", "."}, {"req a=1 x=1", "-x"}}},
                         }),
                         name_of_case);

struct AcknowledgementCase {
  std::string request;
  Acknowledgement want;
};

TEST(Subscription, TellsAcksFromNacksFromStaleOnes) {
  for (const XdsVariant variant : {kSotw, kDelta}) {
    Peer peer(variant, kCluster);
    peer.act("put a=1");
    peer.act("req");
    const std::vector<AcknowledgementCase> cases = {
        {"req stale", Acknowledgement::kStale}, {"req", Acknowledgement::kNone},
        {"req ack", Acknowledgement::kAck},     {"req ack", Acknowledgement::kNone},
        {"req stale", Acknowledgement::kStale},
    };
    for (const AcknowledgementCase& row : cases) {
      peer.act(row.request);
      EXPECT_EQ(peer.acknowledgement, row.want) << row.request;
    }
    peer.act("put a=2");
    peer.act("req nack");
    EXPECT_EQ(peer.acknowledgement, Acknowledgement::kNack);
  }
}

TEST(Subscription, SplitsADeltaResponseAndGoesOnAfterEachAck) {
  Peer peer(kDelta, kService);
  peer.act("put a=1 b=1 c=1");
  EXPECT_EQ(peer.act("req", 100), "a=1");
  EXPECT_EQ(peer.act("", 100), ".") << "the first piece has no ACK yet";
  EXPECT_EQ(peer.act("req ack", 100), "b=1");
  EXPECT_EQ(peer.act("put a=2", 100), ".");
  EXPECT_EQ(peer.act("req ack", 100), "c=1");
  EXPECT_EQ(peer.act("req ack", 100), "a=2");
  EXPECT_EQ(peer.act("req ack", 100), ".");
}

TEST(Subscription, ARemovalWhileTheFirstPassIsSplitIsTold) {
  Peer peer(kDelta, kService);
  peer.act("put a=1 b=1");
  EXPECT_EQ(peer.act("req gone=1", 100), "a=1");
  EXPECT_EQ(peer.act("del a", 100), ".");
  EXPECT_EQ(peer.act("req ack", 100), "-a -gone b=1");
  EXPECT_EQ(peer.act("req ack", 100), ".");
}

TEST(Subscription, NamesAreSplitToo) {
  Peer peer(kDelta, kEndpoints);
  peer.act("put a=1 b=1");
  EXPECT_EQ(peer.act("req +a +b +c", 100), "a=1");
  EXPECT_EQ(peer.act("req ack", 100), "-c b=1");
  EXPECT_EQ(peer.act("req ack", 100), ".");
}

// The body of a table is joined once and sent in chunks to every fresh wildcard.
TEST(Subscription, FreshWildcardsShareTheBytesOfAWholeTable) {
  TypeTable table(kService);
  const std::string value(300'000, 'v');
  for (int i = 0; i < 10; ++i) {
    table.update("s" + std::to_string(i), value);
  }
  std::vector<Subscription> streams(3, Subscription(kDelta, true));
  std::vector<const char*> first_chunks;
  for (Subscription& stream : streams) {
    stream.handle(DeltaRequest{});
    const auto content = stream.next(table, "1", kNoLimit);
    ASSERT_TRUE(content);
    ASSERT_EQ(content->resources.size(), 1U);
    first_chunks.push_back(content->resources.front().bytes.data());
  }
  EXPECT_THAT(first_chunks, testing::Each(first_chunks.front()));

  DeltaDiscoveryResponse rest;
  int responses = 0;
  for (DeltaRequest ack; responses < 10; ++responses) {
    ack.nonce = "1";
    streams.front().handle(ack);
    const auto content = streams.front().next(table, "1", kNoLimit);
    if (!content) {
      break;
    }
    EXPECT_LE(content->resource_bytes(), kNoLimit);
    ASSERT_TRUE(rest.MergeFromString(std::string(content->resources.front().bytes)));
  }
  EXPECT_EQ(responses, 3);
  EXPECT_EQ(rest.resources_size(), 7) << "three were in the first chunk";
}

// Else each client that takes nothing would hold a copy of the table as it once was.
TEST(Subscription, AClientThatTakesNothingHoldsNoOldBody) {
  TypeTable table(kService);
  for (int i = 0; i < 8; ++i) {
    table.update("s" + std::to_string(i), std::string(300'000, 'v'));
  }
  Subscription stream(kDelta, true);
  stream.handle(DeltaRequest{});
  ASSERT_TRUE(stream.next(table, "1", kNoLimit));
  const std::weak_ptr<const TypeTable::Body> body = table.delta_body();
  EXPECT_FALSE(stream.next(table, "2", kNoLimit)) << "there is no ACK";
  EXPECT_FALSE(body.expired());
  table.update("s7", "new");
  EXPECT_FALSE(stream.next(table, "2", kNoLimit));
  EXPECT_TRUE(body.expired());
}

TEST(Subscription, AChangeInTheMiddleOfTheSharedBodyIsSentOnceAndNew) {
  TypeTable table(kService);
  for (int i = 0; i < 8; ++i) {
    table.update("s" + std::to_string(i), std::string(300'000, 'v'));
  }
  Subscription stream(kDelta, true);
  stream.handle(DeltaRequest{});
  std::string bytes;
  for (int i = 0; i < 10; ++i) {
    const auto content = stream.next(table, "1", kNoLimit);
    if (!content) {
      break;
    }
    for (const SharedBytes& part : content->resources) {
      bytes += part.bytes;
    }
    table.update("s7", "new");
    table.remove("s0");
    DeltaRequest ack;
    ack.nonce = "1";
    stream.handle(ack);
  }
  DeltaDiscoveryResponse response;
  ASSERT_TRUE(response.ParseFromString(bytes));
  std::vector<std::string> names;
  for (const auto& resource : response.resources()) {
    names.push_back(resource.name());
    EXPECT_EQ(resource.resource().value() == "new", resource.name() == "s7");
  }
  EXPECT_THAT(names, testing::UnorderedElementsAre("s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7"));
}

void churn(TypeTable& table) {
  for (int i = 0; i < 5000; ++i) {
    const std::string name = "churn" + std::to_string(i);
    table.update(name, "x");
    table.remove(name);
  }
}

TEST(Subscription, AWildcardBehindTheForgottenRemovalsFellBehind) {
  Peer peer(kDelta, kService);
  churn(peer.table());
  peer.act("put a=1");
  EXPECT_EQ(peer.act("req"), "a=1");
  EXPECT_FALSE(peer.subscription().fell_behind(peer.table())) << "what is past is no news to it";
  churn(peer.table());
  EXPECT_TRUE(peer.subscription().fell_behind(peer.table()));
}

TEST(Subscription, NamesBehindTheForgottenRemovalsAreToldAgain) {
  Peer peer(kDelta, kEndpoints);
  peer.act("put a=1 b=1 c=1");
  EXPECT_EQ(peer.act("req +a +b +c"), "a=1 b=1 c=1");
  peer.act("del a");
  peer.act("put b=2");
  churn(peer.table());
  EXPECT_FALSE(peer.subscription().fell_behind(peer.table()));
  EXPECT_EQ(peer.act("req ack"), "-a b=2");
  EXPECT_EQ(peer.act("req ack"), ".");
}

// What a client of `zone` is told that asks for everything, and says to hold `held` of "a".
std::string told_in(const TypeTable& table, const std::string& zone, const std::string& held = "") {
  Subscription subscription(kDelta, true, zone);
  DeltaRequest request;
  if (!held.empty()) {
    request.initial_versions.emplace("a", Resource(kCluster, "a", held).version());
  }
  subscription.handle(request);
  const auto content = subscription.next(table, "1", kNoLimit);
  std::string bytes;
  for (const SharedBytes& part : content->resources) {
    bytes += part.bytes;
  }
  DeltaDiscoveryResponse response;
  EXPECT_TRUE(response.ParseFromString(bytes));
  std::string told;
  for (const auto& resource : response.resources()) {
    told += resource.resource().value() + " ";
  }
  return told;
}

TEST(Subscription, AClientGetsTheFormForItsZone) {
  TypeTable table(kCluster);
  table.update("a", "all", {{"east", "a in east"}, {"west", "a in west"}});
  table.update("b", "b everywhere");
  EXPECT_EQ(told_in(table, ""), "all b everywhere ");
  EXPECT_EQ(told_in(table, "north"), "all b everywhere ");
  EXPECT_EQ(told_in(table, "east"), "a in east b everywhere ");
  EXPECT_EQ(told_in(table, "west"), "a in west b everywhere ");
  EXPECT_EQ(table.serialisations(), 4U);
  // It holds what it was told, and not what others are.
  EXPECT_EQ(told_in(table, "east", "a in east"), "b everywhere ");
  EXPECT_EQ(told_in(table, "east", "all"), "a in east b everywhere ");
}

TEST(Subscription, AClientFollowsTheFormForItsZone) {
  TypeTable table(kEndpoints);
  Subscription east(kSotw, false, "east");
  const auto told = [&](const std::string& nonce) {
    SotwRequest request;
    request.names = {"a"};
    request.nonce = nonce;
    east.handle(request);
    const auto content = east.next(table, "n", kNoLimit);
    if (!content) {
      return std::string(".");
    }
    DiscoveryResponse response;
    EXPECT_TRUE(response.ParseFromString(std::string(content->resources.front().bytes)));
    return response.resources(0).value();
  };
  table.update("a", "all");
  EXPECT_EQ(told(""), "all");
  EXPECT_EQ(told("n"), ".");
  EXPECT_TRUE(table.update("a", "all", {{"east", "in east"}}));
  EXPECT_FALSE(table.update("a", "all", {{"east", "in east"}}));
  EXPECT_EQ(told("n"), "in east");
  EXPECT_TRUE(table.update("a", "all", {{"west", "in west"}}));
  EXPECT_EQ(told("n"), "all");
  EXPECT_TRUE(table.has_zone_forms());
  EXPECT_TRUE(table.update("a", "all"));
  EXPECT_FALSE(table.has_zone_forms());
}

TEST(Subscription, FormsOfWhatIsThereByNameOnlyDoNotPartFreshWildcards) {
  TypeTable table(kEndpoints);
  table.update("a", std::string(kNoLimit / 2, 'v'));
  table.update("b", std::string(kNoLimit / 2, 'v'));
  table.update("x", "all", {{"east", "in east"}}, Listing::kByNameOnly);
  DeltaRequest everything;
  everything.subscribe = {"*"};
  Subscription nowhere(kDelta, false);
  Subscription east(kDelta, false, "east");
  nowhere.handle(everything);
  east.handle(everything);
  const auto one = nowhere.next(table, "1", kNoLimit);
  const auto other = east.next(table, "1", kNoLimit);
  EXPECT_EQ(one->resources.at(0).bytes.data(), other->resources.at(0).bytes.data());
}

TEST(Subscription, ItRemembersNothingOfAnUnsubscribedName) {
  Peer peer(kDelta, kEndpoints);
  peer.act("req +a +b");
  EXPECT_EQ(peer.subscription().size(), 2U);
  peer.act("req -a -b -c");
  EXPECT_EQ(peer.subscription().size(), 0U);
}

}  // namespace
}  // namespace meshdns::discovery
