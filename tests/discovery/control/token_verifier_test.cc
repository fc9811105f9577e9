// Tokens from the command that issues them to the server that takes them.
#include "discovery/control/token_verifier.h"

#include <chrono>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file_system.h"
#include "base/metrics.h"
#include "discovery/control/entity_json.h"
#include "discovery/control/metrics.h"
#include "discovery/control/token_authenticator.h"
#include "discovery/control/token_claims.h"
#include "discovery/control/token_command.h"
#include "discovery/control/token_refusal.h"
#include "discovery/xds/node.h"
#include "tests/support/manual_wall_clock.h"
#include "tests/support/temporary_directory.h"

namespace meshdns::discovery {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;
using Reason = TokenRefusal::Reason;

class TokenVerifierTest : public testing::Test {
 protected:
  IssuedToken issue(const TokenWish& wish = {.mesh = "default", .name = "web-1"}) {
    const auto issued = issue_token(files, folder, wall, wish);
    EXPECT_TRUE(issued) << issued.error().message;
    verifier.refresh();
    return issued.value_or(IssuedToken{});
  }
  [[nodiscard]] std::string refusal(const std::string& token) const {
    const auto verified = verifier.verify(token);
    return verified ? "" : verified.error().text;
  }
  static NodeInfo node(const std::string& id, const std::string& zone = {}) {
    NodeInfo info;
    info.id = id;
    info.zone = zone;
    return info;
  }

  support::TemporaryDirectory state;
  std::string folder = tokens_folder(state.path());
  PosixFileSystem files;
  support::ManualWallClock wall;
  TokenVerifier verifier{files, folder, wall};
};

TEST_F(TokenVerifierTest, AnIssuedTokenIsTaken) {
  const IssuedToken issued = issue({.mesh = "default", .name = "web-1", .zones = {"east"}});
  const auto verified = verifier.verify(issued.text);
  ASSERT_TRUE(verified) << verified.error().text;
  EXPECT_EQ(verified->claims, issued.claims);
  EXPECT_EQ(verified->claims.expires, wall.now() + std::chrono::hours(720));
  EXPECT_FALSE(verifier.objection_to(*verified));
}

TEST_F(TokenVerifierTest, WithoutAFolderNothingIsTakenAndNothingIsWrong) {
  const std::string token = issue().text;
  TokenVerifier elsewhere(files, state.file("nowhere"), wall);
  elsewhere.refresh();
  EXPECT_THAT(elsewhere.problems(), IsEmpty());
  EXPECT_FALSE(elsewhere.has_keys());
  EXPECT_FALSE(elsewhere.verify(token));
}

TEST_F(TokenVerifierTest, OneHoldsFromItsFirstMomentToItsLast) {
  const std::string token = issue({.mesh = "default", .valid_for = "60s"}).text;
  EXPECT_EQ(refusal(token), "");
  wall.advance(std::chrono::seconds(-5));
  EXPECT_EQ(refusal(token), "");
  wall.advance(std::chrono::seconds(-1));
  EXPECT_THAT(refusal(token), HasSubstr("not good yet"));
  wall.advance(std::chrono::seconds(65));
  EXPECT_EQ(refusal(token), "");
  wall.advance(std::chrono::seconds(1));
  EXPECT_THAT(refusal(token), HasSubstr("expired"));
}

TEST_F(TokenVerifierTest, ARevokedOneIsRefusedAndTheOthersAreNot) {
  const IssuedToken one = issue();
  const IssuedToken other = issue();
  const auto verified = verifier.verify(one.text);
  ASSERT_TRUE(verified);
  ASSERT_TRUE(revoke_token(files, folder, one.claims.id));
  ASSERT_TRUE(revoke_token(files, folder, one.claims.id)) << "twice is once";
  verifier.refresh();
  EXPECT_THAT(refusal(one.text), HasSubstr("revoked"));
  EXPECT_EQ(verifier.objection_to(*verified)->reason, Reason::kRevoked);
  EXPECT_EQ(refusal(other.text), "");
  EXPECT_EQ(state.read("tokens/revoked"), one.claims.id + "\n");
}

TEST_F(TokenVerifierTest, RevocationsMayBeWrittenByHand) {
  const IssuedToken one = issue();
  state.write("tokens/revoked", "# lost laptop\r\n\n  " + one.claims.id + " \t\r\nx");
  verifier.refresh();
  EXPECT_THAT(refusal(one.text), HasSubstr("revoked"));
  ASSERT_TRUE(revoke_token(files, folder, "y"));
  EXPECT_THAT(state.read("tokens/revoked"), testing::EndsWith("\nx\ny\n"));
}

TEST_F(TokenVerifierTest, AnotherKeySignsAndTheOneBeforeIsTakenUntilItIsRetired) {
  const IssuedToken before = issue();
  ASSERT_TRUE(rotate_token_key(files, folder));
  const IssuedToken after = issue();
  const auto verified = verifier.verify(before.text);
  ASSERT_TRUE(verified);
  EXPECT_NE(verified->key, verifier.verify(after.text)->key);
  ASSERT_TRUE(files.remove(token_keys_folder(folder) + "/1.pub"));
  verifier.refresh();
  EXPECT_THAT(refusal(before.text), HasSubstr("a key that is not known"));
  EXPECT_THAT(verifier.objection_to(*verified)->text, HasSubstr("no longer taken"));
  EXPECT_EQ(refusal(after.text), "");
}

TEST_F(TokenVerifierTest, PrivateKeysAreForTheirOwnerAlone) {
  issue();
  const auto mode = [&](const std::string& name) {
    return std::filesystem::status(token_keys_folder(folder) + name).permissions();
  };
  EXPECT_EQ(mode("/1.key"),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  ASSERT_TRUE(files.remove(token_keys_folder(folder) + "/1.key"));
  verifier.refresh();
  EXPECT_TRUE(verifier.has_keys()) << "who checks needs none";
}

TEST_F(TokenVerifierTest, AKeyOfSomebodyElseSignsTooOnceItIsThere) {
  const support::TemporaryDirectory elsewhere;
  const std::string theirs = tokens_folder(elsewhere.path());
  const auto made = issue_token(files, theirs, wall, {.mesh = "default"});
  ASSERT_TRUE(made);
  issue();
  EXPECT_NE(refusal(made->text), "");
  state.write("tokens/keys/pipeline.pub", elsewhere.read("tokens/keys/1.pub"));
  verifier.refresh();
  EXPECT_EQ(refusal(made->text), "");
  const auto signed_with_file =
      issue_token(files, "/nowhere", wall,
                  {.mesh = "default", .key_file = elsewhere.file("tokens/keys/1.key")});
  ASSERT_TRUE(signed_with_file) << signed_with_file.error().message;
  EXPECT_EQ(refusal(signed_with_file->text), "");
}

TEST_F(TokenVerifierTest, AKeyThatIsHalfWrittenIsWhatItWasAndIsReported) {
  const IssuedToken issued = issue();
  const std::string whole = state.read("tokens/keys/1.pub");
  state.write("tokens/keys/1.pub", whole.substr(0, whole.size() / 2));
  state.write("tokens/keys/2.pub", "nonsense");
  verifier.refresh();
  EXPECT_EQ(refusal(issued.text), "");
  EXPECT_THAT(verifier.problems(), ElementsAre(HasSubstr("1.pub"), HasSubstr("2.pub")));
  state.write("tokens/keys/1.pub", whole);
  ASSERT_TRUE(files.remove(state.file("tokens/keys/2.pub")));
  verifier.refresh();
  EXPECT_THAT(verifier.problems(), IsEmpty());
}

TEST_F(TokenVerifierTest, RevocationsThatCannotBeReadAreWhatTheyWere) {
  const IssuedToken issued = issue();
  ASSERT_TRUE(revoke_token(files, folder, issued.claims.id));
  verifier.refresh();
  ASSERT_TRUE(files.remove(state.file("tokens/revoked")));
  std::filesystem::create_directory(state.file("tokens/revoked"));
  verifier.refresh();
  EXPECT_THAT(verifier.problems(), ElementsAre(HasSubstr("revoked")));
  EXPECT_THAT(refusal(issued.text), HasSubstr("revoked"));
}

// Else a start would let in whom it does not know to be revoked.
TEST_F(TokenVerifierTest, NoTokenIsTakenBeforeTheRevocationsCouldBeRead) {
  const IssuedToken issued = issue();
  std::filesystem::create_directory(state.file("tokens/revoked"));
  TokenVerifier started{files, folder, wall};
  started.refresh();
  const auto verified = started.verify(issued.text);
  ASSERT_FALSE(verified);
  EXPECT_THAT(verified.error().text, HasSubstr("which tokens are revoked is not known"));
  EXPECT_THAT(started.problems(),
              ElementsAre(AllOf(HasSubstr("tokens/revoked"), HasSubstr("no token is taken"))));
  std::filesystem::remove(state.file("tokens/revoked"));
  started.refresh();
  EXPECT_TRUE(started.verify(issued.text));
}

TEST_F(TokenVerifierTest, ATokenIsForOneMeshAndName) {
  const TokenClaims claims{.id = "x", .mesh = "default", .name = "web-1"};
  EXPECT_FALSE(objection_to(claims, node("default.web-1")));
  NodeInfo with_metadata = node("web-1");
  with_metadata.metadata["mesh"] = "default";
  EXPECT_FALSE(objection_to(claims, with_metadata));
  for (const char* const id : {"default.web-2", "default.web-1.x", "default.", "default"}) {
    EXPECT_EQ(objection_to(claims, node(id))->reason, Reason::kName) << id;
  }
  for (const char* const id : {"other.web-1", "web-1", "", ".", "defaul.tweb-1"}) {
    EXPECT_EQ(objection_to(claims, node(id))->reason, Reason::kMesh) << id;
  }
  NodeInfo contradiction = node("default.web-1");
  contradiction.metadata["mesh"] = "other";
  EXPECT_EQ(objection_to(claims, contradiction)->reason, Reason::kMesh)
      << "what decides of the resources decides here";
}

TEST_F(TokenVerifierTest, ATokenWithoutANameIsForAllNamesOfItsMesh) {
  const TokenClaims claims{.id = "x", .mesh = "default"};
  EXPECT_FALSE(objection_to(claims, node("default.anything")));
  EXPECT_EQ(objection_to(claims, node("other.anything"))->reason, Reason::kMesh);
}

TEST_F(TokenVerifierTest, AZoneIsClaimedOnlyByWhoMay) {
  const TokenClaims claims{.id = "x", .mesh = "default", .name = {}, .zones = {"east", "west"}};
  EXPECT_FALSE(objection_to(claims, node("default.a", "east")));
  EXPECT_FALSE(objection_to(claims, node("default.a", "west")));
  EXPECT_FALSE(objection_to(claims, node("default.a"))) << "which gets the form for no zone";
  EXPECT_EQ(objection_to(claims, node("default.a", "north"))->reason, Reason::kZone);
  EXPECT_FALSE(objection_to({.id = "x", .mesh = "default"}, node("default.a", "north")));
}

TEST_F(TokenVerifierTest, WhatCannotBeIssuedSaysWhy) {
  const std::vector<std::pair<TokenWish, std::string>> cases{
      {{}, "--mesh"},
      {{.mesh = "a b"}, "is no mesh"},
      {{.mesh = "m", .name = "a b"}, "is no name"},
      {{.mesh = "m", .name = {}, .zones = {""}}, "no zone"},
      {{.mesh = "m", .valid_for = "0s"}, "is no time"},
      {{.mesh = "m", .valid_for = "1"}, "is no time"},
      {{.mesh = "m", .valid_for = "-1h"}, "is no time"},
      {{.mesh = "m", .valid_for = "99999999999999999999h"}, "is no time"},
      {{.mesh = "m", .valid_for = "4000d"}, "is no time"},
      {{.mesh = "m", .key_file = "/nowhere"}, "/nowhere"},
      {{.mesh = "m", .name = {}, .zones = std::vector<std::string>(200, std::string(200, 'z'))},
       "too long"},
  };
  for (const auto& [wish, want] : cases) {
    const auto issued = issue_token(files, folder, wall, wish);
    ASSERT_FALSE(issued) << want;
    EXPECT_THAT(issued.error().message, HasSubstr(want));
  }
  EXPECT_FALSE(revoke_token(files, folder, ""));
  EXPECT_FALSE(revoke_token(files, folder, "a\nb"));
}

class TokenAuthenticatorTest : public TokenVerifierTest {
 protected:
  [[nodiscard]] std::string refused_for(const std::vector<std::string>& authorization) {
    authenticator.refresh();
    const auto identity = authenticator.authenticate(authorization);
    return identity ? "" : identity.error().message;
  }

  MetricRegistry registry;
  RefusedClients refused{registry};
  TokenAuthenticator authenticator{files, folder, wall, refused};
};

TEST_F(TokenAuthenticatorTest, TakesATokenAloneOrAsABearer) {
  const std::string token = issue().text;
  EXPECT_EQ(refused_for({token}), "");
  EXPECT_EQ(refused_for({"Bearer " + token}), "");
  EXPECT_EQ(refused_for({"bearer " + token}), "");
  EXPECT_NE(refused_for({"Basic " + token}), "");
  EXPECT_EQ(refused.of(Reason::kInvalid).value(), 1);
}

TEST_F(TokenAuthenticatorTest, WantsExactlyOne) {
  const std::string token = issue().text;
  EXPECT_THAT(refused_for({}), HasSubstr("a token is needed"));
  EXPECT_THAT(refused_for({token, token}), HasSubstr("more than one"));
  EXPECT_THAT(refused_for({""}), Not(IsEmpty()));
  EXPECT_EQ(refused.of(Reason::kMissing).value(), 2);
}

TEST_F(TokenAuthenticatorTest, KnowsWhomItLetInAndWhetherItStillWould) {
  const IssuedToken issued = issue({.mesh = "default", .name = "web-1", .valid_for = "1h"});
  authenticator.refresh();
  const auto identity = authenticator.authenticate({issued.text});
  ASSERT_TRUE(identity) << identity.error().message;
  EXPECT_THAT((*identity)->describe(),
              AllOf(Contains(Pair("mesh", "default")), Contains(Pair("name", "web-1")),
                    Contains(Pair("token", issued.claims.id)),
                    Contains(Pair("expires", time_text(wall.now() + std::chrono::hours(1))))));
  EXPECT_TRUE((*identity)->permit(node("default.web-1")));
  const auto permitted = (*identity)->permit(node("default.web-2"));
  ASSERT_FALSE(permitted);
  EXPECT_THAT(permitted.error().message, HasSubstr("not for 'web-2'"));
  EXPECT_EQ(refused.of(Reason::kName).value(), 1);
  EXPECT_TRUE((*identity)->recheck());
  wall.advance(std::chrono::hours(1));
  ASSERT_FALSE((*identity)->recheck());
  EXPECT_THAT((*identity)->recheck().error().message, HasSubstr("expired"));
}

}  // namespace
}  // namespace meshdns::discovery
